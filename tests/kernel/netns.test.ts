/** What script/netns and script/bootstrap promise: programs that work, in a network of one's own. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { describe, test } from 'node:test'

const netns = new URL('../../script/netns', import.meta.url).pathname

function run(command: string): { readonly status: number | null; readonly out: string } {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', timeout: 20_000 })
  return { status, out: stdout + stderr }
}

describe('a network of its own', () => {
  test('has no rules and no interface but lo', () => {
    assert.equal(process.env['ADMIT_NETNS'], 'private')
    assert.deepEqual(run('nft list ruleset'), { status: 0, out: '' })
    assert.match(run('ip -br link').out, /^lo +UNKNOWN .*\n$/)
  })

  for (const command of [
    'nft add table inet tryout && nft delete table inet tryout',
    'iptables -A INPUT -m mac --mac-source 00:16:3e:00:00:01 -j ACCEPT && iptables -F && iptables-save',
    'ip6tables -A INPUT -p tcp --dport 22 -j ACCEPT && ip6tables -F',
    'iptables-restore </dev/null',
    'conntrack -L',
    'ping -c 1 -W 2 127.0.0.1 && ping -c 1 -W 2 ::1',
    'sysctl -w net.ipv4.ip_forward=1',
    'ss -tlnp',
    'bridge -j link',
    'grep -q "^ssh.*22/tcp" /etc/services',
    'ip netns add peer && ip link add up0 type veth peer name eth0 netns peer && ip netns delete peer',
  ]) {
    test(command, () => {
      const { status, out } = run(command)
      assert.equal(status, 0, out)
    })
  }
})

describe('script/netns', () => {
  test('passes status, input and arguments on', () => {
    const script = 'cat; printf "<%s>" "$@"; exit 7'
    const { status, stdout } = spawnSync(netns, ['sh', '-c', script, 'sh', 'a b', ''], {
      input: 'in',
      encoding: 'utf8',
    })
    assert.deepEqual({ status, stdout }, { status: 7, stdout: 'in<a b><>' })
  })

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const) {
    test(`leaves nothing behind after ${signal}`, async () => {
      const child = spawn(netns, ['sh', '-c', 'setsid sleep 600 & echo ready; sleep 600'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      const before = namespaces().size
      const gone = once(child, 'exit')
      child.kill(signal)
      await gone
      await until(() => namespaces().size < before)
    })
  }

  test('says what to do where there are no namespaces', () => {
    const nested = 'echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"'
    const result = spawnSync(
      netns,
      ['unshare', '--user', '--map-root-user', 'sh', '-c', nested, 'sh', netns, 'true'],
      {
        encoding: 'utf8',
      },
    )
    assert.equal(result.status, 4)
    assert.match(result.stderr, /does not allow you namespaces of your own/)
  })
})

/** The network namespaces that some process is in. */
function namespaces(): ReadonlySet<string> {
  const found = new Set<string>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')) continue
      found.add(readlinkSync(`/proc/${pid}/ns/net`))
    } catch {
      // The process ended between the two looks.
    }
  }
  return found
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'not within five seconds')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
