"""Scripts that Redis runs to count: each looks and changes in one step.

They do what ``Room`` does, and are held to the same tests.  Numbers that are
no limit are -1; times are handed back in milliseconds.
"""

from hashlib import sha1

from msgspec import Struct


class Script(Struct, frozen=True):
    """A script in Lua, and the name by which Redis knows it."""

    text: str
    sha: str


def _script(text: str) -> Script:
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


#: KEYS: the minute's requests by second, the tickets under way by the end of their
#: lease, the day's tokens.  ARGV: the limits of the first two, the ticket, the seconds
#: of a minute and of a lease.
ENTER = _script("""
local time = redis.call('TIME')
local second, now = tonumber(time[1]), time[1] + time[2] / 1000000
local rpm, most, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local refused, used, reset, wait = 0, 0, 0, 0
if rpm >= 0 then
  local cells, known = redis.call('HGETALL', KEYS[1]), {}
  for i = 1, #cells, 2 do
    local at, count = tonumber(cells[i]), tonumber(cells[i + 1])
    if at <= second - window then
      redis.call('HDEL', KEYS[1], cells[i])
    else
      used = used + count
      reset = math.max(reset, at + window - now)
      table.insert(known, {at, count})
    end
  end
  if used >= rpm then
    refused, wait = 1, window
    table.sort(known, function(a, b) return a[1] < b[1] end)
    local left = used
    for _, cell in ipairs(known) do
      left = left - cell[2]
      if left < rpm then
        wait = cell[1] + window - now
        break
      end
    end
  end
end
if refused == 0 and most >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  if redis.call('ZCARD', KEYS[2]) >= most then
    refused, wait = 2, 1
  else
    redis.call('ZADD', KEYS[2], now + ARGV[5], ARGV[3])
    redis.call('EXPIRE', KEYS[2], 2 * ARGV[5])
  end
end
if refused == 0 and rpm >= 0 then
  redis.call('HINCRBY', KEYS[1], time[1], 1)
  redis.call('EXPIRE', KEYS[1], window)
  used, reset = used + 1, second + window - now
end
local tokens = tonumber(redis.call('GET', KEYS[3]) or 0)
return {refused, used, math.ceil(reset * 1000), math.ceil(wait * 1000), tokens}
""")

#: KEYS: as above.  ARGV: the seconds of a minute.  It changes nothing.
LOOK = _script("""
local time = redis.call('TIME')
local second, now = tonumber(time[1]), time[1] + time[2] / 1000000
local cells, used = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #cells, 2 do
  if tonumber(cells[i]) > second - ARGV[1] then
    used = used + cells[i + 1]
  end
end
local running = redis.call('ZCOUNT', KEYS[2], string.format('(%.6f', now), '+inf')
return {used, running, tonumber(redis.call('GET', KEYS[3]) or 0)}
""")

#: KEYS: the day's tokens.  ARGV: how many are wanted, the limit.
RESERVE = _script("""
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if used + ARGV[1] > tonumber(ARGV[2]) then
  return {0, used}
end
used = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], 172800)
return {1, used}
""")

#: KEYS: the day's tokens.  ARGV: how many more they are, or fewer.  A Redis that has
#: forgotten them is told nothing.
SETTLE = _script("""
local known = redis.call('EXISTS', KEYS[1]) == 1
if known and redis.call('INCRBY', KEYS[1], ARGV[1]) < 0 then
  redis.call('SET', KEYS[1], 0, 'EX', 172800)
end
return 0
""")

#: KEYS: the tickets under way.  ARGV: the seconds of a lease, tickets.
RENEW = _script("""
local time = redis.call('TIME')
local until_then = time[1] + ARGV[1]
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], until_then, ARGV[i])
end
redis.call('EXPIRE', KEYS[1], 2 * ARGV[1])
return 0
""")
