"""Redis scripts of outages. Times are milliseconds of Redis's own clock.

An outage is a hash. Once it has ended, the hash stays for a minute as a sign for other workers. A missing
hash means that Redis has lost it. The probe in flight is a key of its own with its token, which expires.
"""

# ARGV: change (begin, fail, drop, end or none), outage id, age, time until the next probe, failed probes,
# reason, message, token. Returns open, id, age, time until the next probe, failed probes, reason, message,
# and the time that the probe in flight has left.
EXCHANGE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local change, id = ARGV[1], ARGV[2]
local known = redis.call('HMGET', KEYS[1], 'open', 'id')
local is_open, is_same = known[1] == '1', known[2] == id
if (change == 'begin' and not is_open) or (change == 'fail' and is_open and is_same) then
  redis.call('HSET', KEYS[1], 'open', '1', 'id', id,
    'begin', string.format('%.0f', now - ARGV[3]), 'next', string.format('%.0f', now + ARGV[4]),
    'count', ARGV[5], 'reason', ARGV[6], 'message', ARGV[7])
  redis.call('PEXPIRE', KEYS[1], 86400000)
elseif change == 'end' and (is_same or not known[2]) then
  redis.call('HSET', KEYS[1], 'open', '0', 'id', id)
  redis.call('PEXPIRE', KEYS[1], 60000)
  redis.call('DEL', KEYS[2])
end
if (change == 'fail' or change == 'drop') and redis.call('GET', KEYS[2]) == ARGV[8] then
  redis.call('DEL', KEYS[2])
end
local row = redis.call('HMGET', KEYS[1], 'open', 'id', 'begin', 'next', 'count', 'reason', 'message')
return {row[1] or '', row[2] or '', string.format('%.0f', now - (row[3] or now)),
  string.format('%.0f', (row[4] or now) - now), row[5] or '0', row[6] or '', row[7] or '',
  tostring(redis.call('PTTL', KEYS[2]))}
"""

# ARGV: outage id, token, lifetime of the probe. Returns 1 if the caller may probe, 0 otherwise.
TAKE_PROBE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local row = redis.call('HMGET', KEYS[1], 'open', 'id', 'next')
if row[1] ~= '1' or row[2] ~= ARGV[1] or tonumber(row[3]) > now + 50 then return 0 end
if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return 1 end
return 0
"""
