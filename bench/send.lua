-- wrk's part: every request another signed variation, none of them twice.
-- Arguments: folder, seconds to send for, then for each thread its first line and how many lines it may use.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long us; } herkend_time; int gettimeofday(herkend_time *, void *);")
local clock = ffi.new("herkend_time")

local function now()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.s) + tonumber(clock.us) / 1e6
end

local threads = {}
function setup(thread)
  thread:set("slot", #threads)
  table.insert(threads, thread)
end

sent, used_up = 0, 0
function init(args)
  local folder = args[1]
  seconds = tonumber(args[2])
  first, most = tonumber(args[3 + 2 * slot]), tonumber(args[4 + 2 * slot])
  local parts = {}
  for part in (io.open(folder .. "/template"):read("*a") .. "~"):gmatch("(.-)~") do parts[#parts + 1] = part end
  template, head = parts, io.open(folder .. "/head"):read("*a")
  length = #table.concat(parts, "0000000000")
  signatures = io.open(folder .. "/signatures-" .. slot)
  local line = #signatures:read("*l") + 1
  signatures:seek("set", first * line)
end

-- Asked before each request: how many milliseconds to wait. What was sent is answered before the run ends.
function delay()
  if not stop then stop = now() + seconds end
  if sent >= most then used_up = 1 end
  if used_up == 1 or now() >= stop then return 3600000 end
  return 0
end

function request()
  if not stop then return wrk.format() end -- wrk tries the script once before it begins
  local signature = signatures:read("*l")
  if not signature then return wrk.format("GET") end -- used up between the question and this: refused, and kept by nobody
  local body = table.concat(template, string.format("%d%09d", slot + 1, first + sent))
  sent = sent + 1
  return head:gsub("~", signature) .. "Content-Length: " .. length .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local each = {}
  local exhausted = 0
  for _, thread in ipairs(threads) do
    table.insert(each, thread:get("sent"))
    exhausted = exhausted + thread:get("used_up")
  end
  local wrong = summary.errors
  io.write(string.format(
    '\n{"answered": %d, "refused": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, "sent": [%s], "used_up": %d}\n',
    summary.requests, wrong.status, wrong.connect + wrong.read + wrong.write + wrong.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    table.concat(each, ", "), exhausted))
end
