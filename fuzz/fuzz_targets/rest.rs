#![no_main]
//! Any body of a REST request, and any message, as our node and our client read them.

use backline_proto::lavalink::{Filters, LoadResult, Message, Player, Track, UpdatePlayer};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn read<T: DeserializeOwned + Serialize>(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(data) {
        let text = serde_json::to_vec(&value).expect("what was read can be written");
        // The last digit of a number may differ, no more: so nothing is compared.
        let _again = serde_json::from_slice::<T>(&text).expect("what was written can be read");
    }
}

fuzz_target!(|data: &[u8]| {
    read::<UpdatePlayer>(data);
    read::<Filters>(data);
    read::<Vec<String>>(data);
    read::<Track>(data);
    read::<Player>(data);
    read::<LoadResult>(data);
    read::<Message>(data);
});
