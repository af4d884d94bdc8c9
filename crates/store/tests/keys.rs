//! Secrets at rest.

use std::path::Path;

use motet_store::testing::Chance;
use motet_store::{
    Batch, DiskStore, KeyStore, Lock, MemoryStore, Options, Protection, Store, StoreError, Table,
    key_file_beside,
};

fn entropy(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut chance = Chance(seed);
    move |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte = chance.draw() as u8)
}

#[test]
fn a_passphrase_opens_what_it_sealed() {
    let store = MemoryStore::new();
    assert_eq!(KeyStore::lock(&store).unwrap(), None);
    assert!(matches!(KeyStore::open(&store, Protection::Passphrase("x")), Err(StoreError::NoKeys)));
    let keys = KeyStore::create(&store, Protection::Passphrase("correct horse"), &mut entropy(1)).unwrap();
    keys.put(&store, "device", b"secret of the device", &mut entropy(2)).unwrap();
    let mut batch = Batch::new();
    keys.seal_into(&mut batch, "feed/1", b"secret of the feed", &mut entropy(3));
    batch.put(Table("feeds"), *b"1", *b"created");
    store.commit(batch).unwrap();
    drop(keys);

    assert_eq!(KeyStore::lock(&store).unwrap(), Some(Lock::Passphrase));
    assert!(matches!(KeyStore::open(&store, Protection::Passphrase("wrong")), Err(StoreError::WrongKey)));
    assert!(matches!(KeyStore::open(&store, Protection::File(Path::new("x"))), Err(StoreError::WrongKey)));
    let again = KeyStore::create(&store, Protection::Passphrase("y"), &mut entropy(4));
    assert!(matches!(again, Err(StoreError::KeysExist)));
    let keys = KeyStore::open(&store, Protection::Passphrase("correct horse")).unwrap();
    assert_eq!(keys.get(&store, "device").unwrap().unwrap().as_slice(), b"secret of the device");
    assert_eq!(keys.get(&store, "feed/1").unwrap().unwrap().as_slice(), b"secret of the feed");
    assert!(keys.get(&store, "other").unwrap().is_none());
    assert_eq!(KeyStore::labels(&store).unwrap(), ["device", "feed/1"]);
    let mut batch = Batch::new();
    KeyStore::forget_into(&mut batch, "device");
    store.commit(batch).unwrap();
    assert!(keys.get(&store, "device").unwrap().is_none());
    assert_eq!(KeyStore::labels(&store).unwrap(), ["feed/1"]);
}

#[test]
fn secrets_are_not_exchangeable_and_not_in_the_clear() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("party.motet");
    let store = DiskStore::open(&path, Options::default()).unwrap();
    let keys = KeyStore::create(&store, Protection::Passphrase("p"), &mut entropy(1)).unwrap();
    keys.put(&store, "device", b"a secret in the clear", &mut entropy(2)).unwrap();
    let sealed = store.get(Table("keys"), b"secret/device").unwrap().unwrap();
    let mut swap = Batch::new();
    swap.put(Table("keys"), *b"secret/feed", sealed);
    store.commit(swap).unwrap();
    assert!(matches!(keys.get(&store, "feed"), Err(StoreError::WrongKey)));
    drop(store);
    let file = std::fs::read(&path).unwrap();
    assert!(contains(&file, b"secret/device") && !contains(&file, b"in the clear"));
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_new_passphrase_takes_the_place_of_the_old_one() {
    let store = MemoryStore::new();
    let keys = KeyStore::create(&store, Protection::Passphrase("old"), &mut entropy(1)).unwrap();
    keys.put(&store, "device", b"secret", &mut entropy(2)).unwrap();
    keys.protect_anew(&store, Protection::Passphrase("new"), &mut entropy(3)).unwrap();
    assert!(matches!(KeyStore::open(&store, Protection::Passphrase("old")), Err(StoreError::WrongKey)));
    let keys = KeyStore::open(&store, Protection::Passphrase("new")).unwrap();
    assert_eq!(keys.get(&store, "device").unwrap().unwrap().as_slice(), b"secret");
}

#[cfg(unix)]
#[test]
fn a_key_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("party.motet");
    let file = key_file_beside(&database);
    let store = DiskStore::open(&database, Options::default()).unwrap();
    let keys = KeyStore::create(&store, Protection::File(&file), &mut entropy(1)).unwrap();
    keys.put(&store, "device", b"secret", &mut entropy(2)).unwrap();
    for private in [&file, &database] {
        assert_eq!(std::fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let keys = KeyStore::open(&store, Protection::File(&file)).unwrap();
    assert_eq!(keys.get(&store, "device").unwrap().unwrap().as_slice(), b"secret");

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyStore::open(&store, Protection::File(&file)).unwrap_err();
    assert!(matches!(error, StoreError::KeyFileExposed { mode: 0o640, .. }));
    assert!(error.to_string().contains("chmod 600"), "{error}");

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, [9; 32]).unwrap();
    assert!(matches!(KeyStore::open(&store, Protection::File(&file)), Err(StoreError::WrongKey)));
    std::fs::write(&file, [9; 31]).unwrap();
    assert!(matches!(KeyStore::open(&store, Protection::File(&file)), Err(StoreError::Corrupt { .. })));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(KeyStore::open(&store, Protection::File(&file)), Err(StoreError::Io { .. })));
}
