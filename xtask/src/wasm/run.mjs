// Runs the tests in a program for wasm32: its `main` comes to its end, or traps where a test fails.
import { readFileSync } from "node:fs";

const path = process.argv[2];
const program = new WebAssembly.Module(readFileSync(path));
const { exports } = new WebAssembly.Instance(program, {});
const begun = performance.now();
try {
  const code = exports.main(0, 0);
  console.log(`all tests pass, in ${Math.round(performance.now() - begun)} ms`);
  process.exit(code);
} catch (trap) {
  // The names of functions are mangled; the test's own is among them.
  console.error(trap.stack);
  process.exit(1);
}
