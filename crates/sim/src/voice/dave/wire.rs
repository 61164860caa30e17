//! The few parts of MLS messages (RFC 9420) that a delivery service reads or takes apart.

/// A commit in an `MLSMessage`, as far as a delivery service checks it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commit<'a> {
    /// The whole message.
    pub(super) bytes: &'a [u8],
    pub(super) group_id: &'a [u8],
    pub(super) epoch: u64,
    /// Leaf of the member that made it.
    pub(super) leaf: u32,
    /// References of the proposals it commits, in their order.
    pub(super) references: Vec<&'a [u8]>,
    /// The leaf that it puts in place of the committer's, if it has a path.
    pub(super) path: Option<PathLeaf<'a>>,
}

/// Who a leaf of an update path says to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PathLeaf<'a> {
    pub(super) signature_key: &'a [u8],
    pub(super) identity: &'a [u8],
}

/// A `Welcome`, taken apart by whom it is for.
#[derive(Debug)]
pub(super) struct Welcome<'a> {
    cipher_suite: u16,
    /// Reference of a key package, and its whole entry.
    secrets: Vec<(&'a [u8], &'a [u8])>,
    group_info: &'a [u8],
}

/// Reads the payload of opcode 28: a commit and, if it adds members, a welcome.
pub(super) fn commit_and_welcome(payload: &[u8]) -> Option<(Commit<'_>, Option<Welcome<'_>>)> {
    let mut reader = Reader(payload);
    let mut commit = commit(&mut reader)?;
    commit.bytes = &payload[..payload.len() - reader.0.len()];
    let welcome = if reader.0.is_empty() {
        None
    } else {
        Some(welcome(&mut reader)?)
    };
    reader.0.is_empty().then_some((commit, welcome))
}

fn commit<'a>(reader: &mut Reader<'a>) -> Option<Commit<'a>> {
    if (reader.u16()?, reader.u16()?) != (MLS_10, PUBLIC_MESSAGE) {
        return None;
    }
    let group_id = reader.vector()?;
    let epoch = reader.u64()?;
    if reader.u8()? != SENDER_MEMBER {
        return None;
    }
    let leaf = reader.u32()?;
    let _authenticated_data = reader.vector()?;
    if reader.u8()? != CONTENT_COMMIT {
        return None;
    }
    let mut proposals = Reader(reader.vector()?);
    let mut references = Vec::new();
    while !proposals.0.is_empty() {
        // Proposals in the commit itself are not allowed.
        if proposals.u8()? != BY_REFERENCE {
            return None;
        }
        references.push(proposals.vector()?);
    }
    let path = match reader.u8()? {
        0 => None,
        1 => {
            let leaf = leaf_node(reader)?;
            let _nodes = reader.vector()?;
            Some(leaf)
        }
        _ => return None,
    };
    let _signature = reader.vector()?;
    let _confirmation_tag = reader.vector()?;
    let _membership_tag = reader.vector()?;
    Some(Commit {
        bytes: &[],
        group_id,
        epoch,
        leaf,
        references,
        path,
    })
}

fn leaf_node<'a>(reader: &mut Reader<'a>) -> Option<PathLeaf<'a>> {
    let _encryption_key = reader.vector()?;
    let signature_key = reader.vector()?;
    if reader.u16()? != CREDENTIAL_BASIC {
        return None;
    }
    let identity = reader.vector()?;
    // Capabilities: versions, cipher suites, extensions, proposals, credentials.
    for _ in 0..5 {
        reader.vector()?;
    }
    if reader.u8()? != LEAF_FROM_COMMIT {
        return None;
    }
    let _parent_hash = reader.vector()?;
    let _extensions = reader.vector()?;
    let _signature = reader.vector()?;
    Some(PathLeaf {
        signature_key,
        identity,
    })
}

fn welcome<'a>(reader: &mut Reader<'a>) -> Option<Welcome<'a>> {
    let cipher_suite = reader.u16()?;
    let mut entries = Reader(reader.vector()?);
    let mut secrets = Vec::new();
    while !entries.0.is_empty() {
        let before = entries.0;
        let reference = entries.vector()?;
        let _kem_output = entries.vector()?;
        let _ciphertext = entries.vector()?;
        secrets.push((reference, &before[..before.len() - entries.0.len()]));
    }
    Some(Welcome {
        cipher_suite,
        secrets,
        group_info: reader.vector()?,
    })
}

impl Welcome<'_> {
    /// Returns the welcome with the secrets for one key package only.
    pub(super) fn addressed_to(&self, reference: &[u8]) -> Option<Vec<u8>> {
        let (_, entry) = self.secrets.iter().find(|(of, _)| *of == reference)?;
        let mut bytes = self.cipher_suite.to_be_bytes().to_vec();
        write_vector(&mut bytes, entry);
        write_vector(&mut bytes, self.group_info);
        Some(bytes)
    }
}

/// Returns the key package in the payload of opcode 26.
///
/// WIRE: the whitepaper has it in an `MLSMessage`, Discord's own library and those after it
/// send it bare. After the version comes the wire format there, the cipher suite here.
pub(super) fn bare_key_package(payload: &[u8]) -> &[u8] {
    let mut reader = Reader(payload);
    match (reader.u16(), reader.u16()) {
        (Some(MLS_10), Some(KEY_PACKAGE_MESSAGE)) => reader.0,
        _ => payload,
    }
}

/// Returns what the hash that refers to a proposal is taken of.
///
/// That is the authenticated content, so the message without its version; an external
/// sender's has no membership tag behind it.
pub(super) fn reference_input(message: &[u8]) -> Vec<u8> {
    let mut input = Vec::with_capacity(message.len() + 32);
    write_vector(&mut input, b"MLS 1.0 Proposal Reference");
    write_vector(&mut input, message.get(2..).unwrap_or_default());
    input
}

/// Writes a vector with its length before it, in the fewest bytes.
pub(super) fn write_vector(out: &mut Vec<u8>, content: &[u8]) {
    let length = content.len() as u32;
    match length {
        0..=0x3F => out.push(length as u8),
        0x40..=0x3FFF => out.extend_from_slice(&(length as u16 | 0x4000).to_be_bytes()),
        _ => out.extend_from_slice(&(length | 0x8000_0000).to_be_bytes()),
    }
    out.extend_from_slice(content);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a vector: the first two bits say how long its length is.
    fn vector(&mut self) -> Option<&'a [u8]> {
        let first = *self.0.first()?;
        let length = match first >> 6 {
            0 => u32::from(self.u8()?),
            1 => u32::from(self.u16()? & 0x3FFF),
            2 => self.u32()? & 0x3FFF_FFFF,
            _ => return None,
        };
        self.take(length as usize)
    }
}

const MLS_10: u16 = 1;
const PUBLIC_MESSAGE: u16 = 1;
const KEY_PACKAGE_MESSAGE: u16 = 5;
const SENDER_MEMBER: u8 = 1;
const CONTENT_COMMIT: u8 = 3;
const BY_REFERENCE: u8 = 2;
const CREDENTIAL_BASIC: u16 = 1;
const LEAF_FROM_COMMIT: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_every_length_are_read_back() {
        for length in [0, 1, 63, 64, 16_383, 16_384, 70_000] {
            let content = vec![7; length];
            let mut bytes = Vec::new();
            write_vector(&mut bytes, &content);
            bytes.push(9);
            let mut reader = Reader(&bytes);
            assert_eq!(reader.vector(), Some(content.as_slice()), "{length}");
            assert_eq!(reader.0, [9], "{length}");
        }
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let mut bytes = Vec::new();
        write_vector(&mut bytes, &[7; 100]);
        for length in 0..bytes.len() {
            assert_eq!(Reader(&bytes[..length]).vector(), None, "{length}");
        }
        for garbage in [&[][..], &[0xFF; 40], &[0, 1, 0, 1, 0xBF]] {
            assert!(commit_and_welcome(garbage).is_none());
        }
    }
}
