//! Sockets for sync: TCP and Noise, both device keys authenticated.
