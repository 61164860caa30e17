//! The packets of an Ogg file, read with nothing of ours: the measure of what is heard.

/// Returns the audio packets of an Ogg Opus file: all but the two headers.
pub(crate) fn opus_packets(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    while !file.is_empty() {
        assert_eq!(&file[..4], b"OggS", "a page begins");
        let (lengths, rest) = file[27..].split_at(usize::from(file[26]));
        let mut body = rest;
        for &length in lengths {
            let (segment, after) = body.split_at(usize::from(length));
            packet.extend_from_slice(segment);
            body = after;
            if length < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        file = body;
    }
    assert_eq!(&packets[0][..8], b"OpusHead");
    assert_eq!(&packets[1][..8], b"OpusTags");
    packets.split_off(2)
}
