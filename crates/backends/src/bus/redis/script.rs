//! What has to happen at once, as scripts that Redis runs. Each touches keys of one partition.

use redis::Script;

pub(super) struct Scripts {
    /// KEYS stream; ARGV capacity, payload, channel, partition. Returns 1, or 0 when it is full.
    pub(super) append: Script,
    /// KEYS lease; ARGV owner, time to live in ms. Returns 2 when it is new, 1 when it was ours,
    /// 0 when it is another's.
    pub(super) lease: Script,
    /// KEYS lease; ARGV owner, channel, word. Gives it back and says so.
    pub(super) release: Script,
    /// KEYS stream; ARGV group, ids…. Forgets messages that were handled.
    pub(super) settle: Script,
    /// KEYS stream, dead; ARGV group, id, kept, attempts, reason. Moves a message away; it may
    /// have been moved already.
    pub(super) bury: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            append: Script::new(
                "if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
                 redis.call('XADD', KEYS[1], '*', 'p', ARGV[2])
                 redis.call('PUBLISH', ARGV[3], ARGV[4])
                 return 1",
            ),
            lease: Script::new(
                "local owner = redis.call('GET', KEYS[1])
                 if owner == ARGV[1] then
                     redis.call('PEXPIRE', KEYS[1], ARGV[2])
                     return 1
                 end
                 if owner then return 0 end
                 redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
                 return 2",
            ),
            release: Script::new(
                "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
                 redis.call('DEL', KEYS[1])
                 redis.call('PUBLISH', ARGV[2], ARGV[3])
                 return 1",
            ),
            settle: Script::new(
                "local group = table.remove(ARGV, 1)
                 redis.call('XACK', KEYS[1], group, unpack(ARGV))
                 return redis.call('XDEL', KEYS[1], unpack(ARGV))",
            ),
            bury: Script::new(
                "local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
                 if #found == 0 then return 0 end
                 redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], '*',
                     'p', found[1][2][2], 'attempts', ARGV[4], 'reason', ARGV[5])
                 redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
                 redis.call('XDEL', KEYS[1], ARGV[2])
                 return 1",
            ),
        }
    }
}
