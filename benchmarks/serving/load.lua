-- wrk's script: sends prepared bodies in a prepared order and prints what it measured as JSON.
-- Arguments: folder with `order` (one line a request: body's name, path) and the bodies;
-- the content type.
local requests, count, at = {}, 0, 0

function init(args)
  local bodies = {}
  for line in io.lines(args[1] .. "/order") do
    local name, path = line:match("^(%S+) (%S+)$")
    if not bodies[name] then
      local file = assert(io.open(args[1] .. "/" .. name, "rb"))
      bodies[name] = file:read("*a")
      file:close()
    end
    count = count + 1
    requests[count] = wrk.format("POST", path, { ["Content-Type"] = args[2] }, bodies[name])
  end
end

function request()
  at = at % count + 1
  return requests[at]
end

function done(summary, latency, all)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
