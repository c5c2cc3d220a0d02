//! The two scripts that the server runs, and their calls.

use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

use super::HEAD;
use super::link::Token;
use super::scan::Names;
use crate::kv::batch::{Batch, Expect, Write};
use crate::kv::entry::Version;
use crate::kv::error::KvError;
use crate::kv::limits::check_batch;
use crate::kv::ttl::expiry;

/// How the answer of the write script begins.
pub(super) const APPLIED: i64 = 1;
pub(super) const CONFLICT: i64 = 0;
pub(super) const ANOTHER_ID: i64 = -1;
pub(super) const WENT_BACK: i64 = -2;

/// Applies a batch.
///
/// KEYS: id, seq, done; the key of each condition; the key of each write.
/// ARGV: id, seen, token or nothing, now, number of conditions; of each condition `a`, `p` or a version; of each
/// write `d`, or `p`, its expiry as 8 bytes, the same in digits or nothing, the value.
///
/// Everything is read before anything is written, so that no error can come in between. Versions and
/// moments are below 2^53, which a Lua number holds exactly.
pub(super) static WRITE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local is = redis.call('MGET', KEYS[1], KEYS[2])
if is[1] ~= ARGV[1] then return {-1} end
local seq = tonumber(is[2] or '0')
if seq < tonumber(ARGV[2]) then return {-2, seq} end
local done = ARGV[3] ~= '' and redis.call('GET', KEYS[3])
if done then
  local token, version, removed = string.match(done, '^(.*):(%d+):(%d+)$')
  if token == ARGV[3] then return {1, tonumber(version), tonumber(removed)} end
end
local now = tonumber(ARGV[4])
local function live(key)
  local head = redis.call('GETRANGE', key, 0, 15)
  if #head == 0 then return 0 end
  if #head < 16 then return -1 end
  local version, expires = struct.unpack('>I8I8', head)
  if expires ~= 0 and expires <= now then return 0 end
  return version
end
local conditions = tonumber(ARGV[5])
for i = 1, conditions do
  local version, expect = live(KEYS[3 + i]), ARGV[5 + i]
  if version < 0 then return {-3} end
  local holds
  if expect == 'a' then holds = version == 0
  elseif expect == 'p' then holds = version > 0
  else holds = version == tonumber(expect) end
  if not holds then return {0, i - 1, version} end
end
local lives, at = {}, 6 + conditions
for i = 4 + conditions, #KEYS do
  if ARGV[at] == 'd' then
    local version = live(KEYS[i])
    if version < 0 then return {-3} end
    lives[KEYS[i]] = version > 0
    at = at + 1
  else
    at = at + 4
  end
end
local version = redis.call('INCR', KEYS[2])
local head, removed = struct.pack('>I8', version), 0
at = 6 + conditions
for i = 4 + conditions, #KEYS do
  local key = KEYS[i]
  if ARGV[at] == 'd' then
    redis.call('DEL', key)
    if lives[key] then removed = removed + 1 end
    lives[key] = false
    at = at + 1
  else
    local value = head .. ARGV[at + 1] .. ARGV[at + 3]
    if ARGV[at + 2] == '' then redis.call('SET', key, value)
    else redis.call('SET', key, value, 'PXAT', ARGV[at + 2]) end
    lives[key] = true
    at = at + 4
  end
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[3], string.format('%s:%.0f:%d', ARGV[3], version, removed), 'PX', 60000)
end
return {1, version, removed}
",
    )
});

/// Removes those of KEYS that have expired at the first of ARGV, and answers with their number.
pub(super) static PURGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local now, count = tonumber(ARGV[1]), 0
for _, key in ipairs(KEYS) do
  local head = redis.call('GETRANGE', key, 0, 15)
  if #head == 16 then
    local _, expires = struct.unpack('>I8I8', head)
    if expires ~= 0 and expires <= now then count = count + redis.call('DEL', key) end
  end
end
return count
",
    )
});

/// Version and expiry before a stored value.
pub(super) fn head(stored: &[u8]) -> Option<(Version, Option<u64>)> {
    let (version, rest) = stored.get(..HEAD)?.split_first_chunk()?;
    let expires_ms = u64::from_be_bytes(*rest.first_chunk()?);
    let expires_ms = Some(expires_ms).filter(|it| *it != 0);
    Some((Version(u64::from_be_bytes(*version)), expires_ms))
}

/// What all calls of the write script share.
pub(super) struct Call<'a> {
    pub names: &'a Names,
    pub id: &'a str,
    pub seen: u64,
    pub now_ms: u64,
    /// Whether the server is told when a value is gone.
    pub server_expires: bool,
}

impl Call<'_> {
    /// Whether a call can be made of a batch.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), KvError> {
        check_batch(batch)?;
        for write in batch.writes() {
            if let Write::Put { ttl: Some(ttl), .. } = write {
                expiry(self.now_ms, *ttl)?;
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, batch: &Batch, token: &Token) -> Result<Cmd, KvError> {
        let (conditions, writes) = (batch.conditions(), batch.writes());
        let mut command = cmd("EVALSHA");
        command
            .arg(WRITE.get_hash())
            .arg(3 + conditions.len() + writes.len())
            .arg(&self.names.id)
            .arg(&self.names.seq)
            .arg(self.names.done(&token.writer));
        for (key, _) in conditions {
            command.arg(self.names.data(key));
        }
        for write in writes {
            command.arg(self.names.data(write.key()));
        }
        command
            .arg(self.id)
            .arg(self.seen)
            .arg(&token.number)
            .arg(self.now_ms)
            .arg(conditions.len());
        for (_, expect) in conditions {
            match expect {
                Expect::Absent => command.arg("a"),
                Expect::Present => command.arg("p"),
                Expect::Version(version) => command.arg(version.0),
            };
        }
        for write in writes {
            match write {
                Write::Delete { .. } => command.arg("d"),
                Write::Put { value, ttl, .. } => {
                    let expires = ttl.map(|ttl| expiry(self.now_ms, ttl)).transpose()?;
                    command
                        .arg("p")
                        .arg(&expires.unwrap_or(0).to_be_bytes()[..]);
                    match expires.filter(|_| self.server_expires) {
                        Some(expires_ms) => command.arg(expires_ms),
                        None => command.arg(""),
                    };
                    command.arg(&value[..])
                }
            };
        }
        Ok(command)
    }
}

/// The call that removes those of `keys` that have expired.
pub(super) fn purge(names: &Names, keys: &[Vec<u8>], now_ms: u64) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(PURGE.get_hash()).arg(keys.len());
    for key in keys {
        command.arg(names.data(key));
    }
    command.arg(now_ms);
    command
}
