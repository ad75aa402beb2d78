//! The corpus of `fuzz/`, replayed: the decoder beside hickory-proto's.

use crate::program::root;

#[path = "../../fuzz/agree.rs"]
mod agree;

#[test]
fn the_decoder_agrees_with_another_on_the_corpus_and_on_what_is_near_it() {
    let folder = root().join("fuzz/corpus/decode");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        agree::check(&bytes);
        for at in 0..bytes.len() {
            agree::check(&bytes[..at]);
            let mut near = bytes.clone();
            for value in [
                0,
                1,
                12,
                41,
                63,
                64,
                0xc0,
                0xff,
                bytes[at] ^ 0x20,
                bytes[at] ^ 0x80,
            ] {
                near[at] = value;
                agree::check(&near);
            }
        }
        count += 1;
    }
    assert!(count >= 20, "{} files in {}", count, folder.display());
}
