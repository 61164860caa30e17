//! Ogg pages (RFC 3533, section 6).

/// Length of the fixed part of a page's header.
pub(crate) const HEADER_LEN: usize = 27;

/// Longest page.
pub(crate) const MAX_PAGE: usize = HEADER_LEN + 255 + 255 * 255;

/// What every page begins with.
pub(crate) const CAPTURE: &[u8; 4] = b"OggS";

/// The page goes on with a packet of the page before.
pub(crate) const CONTINUED: u8 = 1;
/// First page of its stream.
pub(crate) const FIRST: u8 = 2;
/// Last page of its stream.
pub(crate) const LAST: u8 = 4;

/// A page's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) flags: u8,
    /// Position at the end of the last packet that ends here; `None` if none ends here.
    pub(crate) granule: Option<u64>,
    pub(crate) serial: u32,
    pub(crate) sequence: u32,
    pub(crate) segments: [u8; 255],
    pub(crate) segment_count: u8,
    pub(crate) body_len: usize,
}

/// What stands at the beginning of some bytes.
#[expect(
    clippy::large_enum_variant,
    reason = "boxing would allocate for every page"
)]
pub(crate) enum Found {
    /// A whole page with the right checksum.
    Page(Page),
    /// The beginning of what may be a page.
    Incomplete,
    /// No page, or a damaged one.
    Damaged,
}

impl Page {
    pub(crate) fn parse(bytes: &[u8]) -> Found {
        let prefix = bytes.len().min(CAPTURE.len());
        if bytes[..prefix] != CAPTURE[..prefix] || bytes.get(4).is_some_and(|version| *version != 0)
        {
            return Found::Damaged;
        }
        let Some((head, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Found::Incomplete;
        };
        let count = head[26];
        let Some((table, rest)) = rest.split_at_checked(usize::from(count)) else {
            return Found::Incomplete;
        };
        let body_len = table.iter().map(|lacing| usize::from(*lacing)).sum();
        if rest.len() < body_len {
            return Found::Incomplete;
        }
        let u32_at =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = HEADER_LEN + table.len() + body_len;
        if checksum(&bytes[..length]) != u32_at(22) {
            return Found::Damaged;
        }
        let mut segments = [0; 255];
        segments[..table.len()].copy_from_slice(table);
        let granule = u64::from(u32_at(6)) | u64::from(u32_at(10)) << 32;
        Found::Page(Self {
            flags: head[5],
            granule: (granule != u64::MAX).then_some(granule),
            serial: u32_at(14),
            sequence: u32_at(18),
            segments,
            segment_count: count,
            body_len,
        })
    }

    pub(crate) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn body_start(&self) -> usize {
        HEADER_LEN + usize::from(self.segment_count)
    }

    pub(crate) fn len(&self) -> usize {
        self.body_start() + self.body_len
    }

    /// Returns the length of the piece of a packet that begins at this segment, and whether the
    /// packet ends with it. Moves on to the next piece.
    pub(crate) fn piece(&self, segment: &mut usize) -> Option<(usize, bool)> {
        let rest = self.segments[..usize::from(self.segment_count)].get(*segment..)?;
        if rest.is_empty() {
            return None;
        }
        let full = rest.iter().take_while(|lacing| **lacing == 255).count();
        let last = rest.get(full);
        *segment += full + usize::from(last.is_some());
        Some((
            255 * full + last.map_or(0, |lacing| usize::from(*lacing)),
            last.is_some(),
        ))
    }

    /// Returns all pieces.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (usize, bool)> + '_ {
        let mut segment = 0;
        std::iter::from_fn(move || self.piece(&mut segment))
    }
}

/// Returns the whole pages in some bytes, with their offsets.
pub(crate) fn pages(bytes: &[u8]) -> impl Iterator<Item = (usize, Page)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += memchr::memmem::find(bytes.get(at..)?, CAPTURE)?;
            if let Found::Page(page) = Page::parse(&bytes[at..]) {
                let found = at;
                at += page.len();
                return Some((found, page));
            }
            at += 1;
        }
    })
}

/// Returns the checksum of a page, whose own checksum field counts as zero.
pub(crate) fn checksum(page: &[u8]) -> u32 {
    let (head, rest) = page.split_at(22.min(page.len()));
    let (field, body) = rest.split_at(4.min(rest.len()));
    update(update(update(0, head), &[0; 4][..field.len()]), body)
}

/// Eight bytes at a time: a frame's share of its page is checked in a tenth of a microsecond.
fn update(mut crc: u32, bytes: &[u8]) -> u32 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for [a, b, c, d, e, f, g, h] in chunks {
        let [w, x, y, z] = (crc ^ u32::from_be_bytes([*a, *b, *c, *d])).to_be_bytes();
        crc = TABLES[7][usize::from(w)]
            ^ TABLES[6][usize::from(x)]
            ^ TABLES[5][usize::from(y)]
            ^ TABLES[4][usize::from(z)]
            ^ TABLES[3][usize::from(*e)]
            ^ TABLES[2][usize::from(*f)]
            ^ TABLES[1][usize::from(*g)]
            ^ TABLES[0][usize::from(*h)];
    }
    rest.iter().fold(crc, |crc, byte| {
        (crc << 8) ^ TABLES[0][usize::from((crc >> 24) as u8 ^ byte)]
    })
}

/// CRC-32 with polynomial 0x04C11DB7, not reflected, as RFC 3533 asks; table `n` is for a byte
/// that `n` others follow.
static TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value >> 31 == 1 {
                (value << 1) ^ 0x04C1_1DB7
            } else {
                value << 1
            };
            bit += 1;
        }
        tables[0][index] = value;
        index += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut index = 0;
        while index < 256 {
            let before: u32 = tables[table - 1][index];
            tables[table][index] = (before << 8) ^ tables[0][(before >> 24) as usize];
            index += 1;
        }
        table += 1;
    }
    tables
};
