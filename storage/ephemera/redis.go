package ephemera

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// redisEngine keeps every key with a time to live. Once and count compare the times of the configured
// clock within the key's value, in a script, so that each stays one round trip and at once.
type redisEngine struct {
	client redis.UniversalClient
	prefix string
}

const dialTimeout = 2 * time.Second

// KEYS[1]; ARGV: now, until.
var onceScript = redis.NewScript(`
local held = redis.call('GET', KEYS[1])
if held and tonumber(held) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[2] - ARGV[1])
return 1`)

// KEYS[1]; ARGV: now, until, by. The value is "sum until".
var countScript = redis.NewScript(`
local sum, ends = 0, tonumber(ARGV[2])
local held = redis.call('GET', KEYS[1])
if held then
	local s, e = string.match(held, '^(%-?%d+) (%d+)$')
	if tonumber(e) > tonumber(ARGV[1]) then sum, ends = tonumber(s), tonumber(e) end
end
local by = tonumber(ARGV[3])
if by == 0 then return sum end
sum = sum + by
redis.call('SET', KEYS[1], string.format('%d %d', sum, ends), 'PX', string.format('%d', ends - ARGV[1]))
return sum`)

func openRedis(ctx context.Context, cfg Config) (engine, error) {
	address, prefix, err := splitPrefix(cfg.URL)
	if err != nil {
		return nil, err
	}
	client, at, err := newRedis(address)
	if err != nil {
		return nil, errors.New("the redis URL does not parse") // the parser's error may hold the password
	}
	e := &redisEngine{client: client, prefix: prefix + ":"}
	if err := e.ping(ctx); err != nil {
		_ = e.client.Close()
		return nil, fmt.Errorf("redis at %s: %w", at, err)
	}
	return e, nil
}

// newRedis makes a client of one server, or of a cluster for the schemes redis+cluster and rediss+cluster; every verb keeps to
// one key, so any slot will do.
//
// A lost Redis is told at once: callers then limit by themselves, more strictly. One retry meets a connection that a
// failover closed; a verb that ran but was not answered errs on the safe side (a code is lost, a mark stands, a try is
// counted twice).
func newRedis(address string) (client redis.UniversalClient, at string, err error) {
	const retries = 1
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	scheme, rest, _ := strings.Cut(address, "://")
	if single, ok := strings.CutSuffix(scheme, "+cluster"); ok {
		options, err := redis.ParseClusterURL(single + "://" + rest)
		if err != nil {
			return nil, "", err
		}
		options.MaintNotificationsConfig, options.ContextTimeoutEnabled, options.DialTimeout = quiet, true, dialTimeout
		options.MaxRetries, options.DialerRetries = retries, retries
		return redis.NewClusterClient(options), strings.Join(options.Addrs, ", "), nil
	}
	options, err := redis.ParseURL(address)
	if err != nil {
		return nil, "", err
	}
	options.MaintNotificationsConfig, options.ContextTimeoutEnabled, options.DialTimeout = quiet, true, dialTimeout
	options.MaxRetries, options.DialerRetries = retries, retries
	return redis.NewClient(options), options.Addr, nil
}

// splitPrefix takes our ?prefix= out of a Redis URL.
func splitPrefix(raw string) (address, prefix string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", errors.New("the redis URL does not parse")
	}
	q := u.Query()
	if prefix = q.Get("prefix"); prefix == "" {
		prefix = "vhod"
	}
	q.Del("prefix")
	u.RawQuery = q.Encode()
	return u.String(), prefix, nil
}

func (e *redisEngine) put(ctx context.Context, key string, value []byte, now, until int64) error {
	return e.client.Set(ctx, e.prefix+key, value, time.Duration(until-now)*time.Millisecond).Err()
}

func (e *redisEngine) get(ctx context.Context, key string, _ int64) ([]byte, bool, error) {
	return found(e.client.Get(ctx, e.prefix+key))
}

func (e *redisEngine) take(ctx context.Context, key string, _ int64) ([]byte, bool, error) {
	return found(e.client.GetDel(ctx, e.prefix+key))
}

func found(reply *redis.StringCmd) ([]byte, bool, error) {
	value, err := reply.Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	return value, err == nil, err
}

func (e *redisEngine) once(ctx context.Context, key string, now, until int64) (bool, error) {
	n, err := onceScript.Run(ctx, e.client, []string{e.prefix + key}, now, until).Int()
	return n == 1, err
}

// getAll is a pipeline and no MGET, whose keys a cluster would want on one node.
func (e *redisEngine) getAll(ctx context.Context, keys []string, _ int64) ([][]byte, error) {
	replies := make([]*redis.StringCmd, len(keys))
	_, _ = e.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each reply has its own error
		for i, key := range keys {
			replies[i] = p.Get(ctx, e.prefix+key)
		}
		return nil
	})
	values := make([][]byte, len(keys))
	for i, reply := range replies {
		var err error
		if values[i], _, err = found(reply); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (e *redisEngine) countAll(ctx context.Context, counts []increment, now, until int64) ([]int64, error) {
	if len(counts) == 1 {
		sum, err := countScript.Run(ctx, e.client, []string{e.prefix + counts[0].key}, now, until, counts[0].by).Int64()
		return []int64{sum}, err
	}
	replies := make([]*redis.Cmd, len(counts))
	_, _ = e.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, c := range counts {
			replies[i] = countScript.EvalSha(ctx, p, []string{e.prefix + c.key}, now, until, c.by)
		}
		return nil
	})
	sums := make([]int64, len(counts))
	for i, reply := range replies {
		if redis.HasErrorPrefix(reply.Err(), "NOSCRIPT") { // a Redis that started anew learns the script by this
			reply = countScript.Run(ctx, e.client, []string{e.prefix + counts[i].key}, now, until, counts[i].by)
		}
		var err error
		if sums[i], err = reply.Int64(); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

func (e *redisEngine) ping(ctx context.Context) error { return e.client.Ping(ctx).Err() }

func (e *redisEngine) close() error { return e.client.Close() }
