import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NetworkInterface } from './host-facts.ts'
import { findOtherFirewalls, readLegacyChains, readNftChains } from './read-firewalls.ts'

/** What `nft -j list chains` prints, from `FAMILY TABLE CHAIN` lines. */
function printed(lines: readonly string[]): string {
  const chains = lines.map((line) => {
    const [family, table, name] = line.split(' ')
    return { chain: { family, table, name, handle: 1 } }
  })
  return JSON.stringify({ nftables: [{ metainfo: { version: '1.0.6', json_schema_version: 1 } }, ...chains] })
}

function found(lines: readonly string[], links: readonly string[] = []): readonly string[] {
  const interfaces = links.map((name) => ({ name }) as NetworkInterface)
  const firewalls = findOtherFirewalls(readNftChains(printed(lines)).value, interfaces)
  return firewalls.map(({ name, evidence }) => `${name}: ${evidence}`)
}

describe('other firewalls', () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['none', [], []],
    ['admit itself', ['inet admit input', 'ip filter ADMIT-INPUT'], []],
    [
      'Docker, and the built-in chains that it needs',
      ['ip filter FORWARD', 'ip filter DOCKER-USER', 'ip nat DOCKER', 'ip nat PREROUTING'],
      ['docker: chain DOCKER-USER in table ip filter'],
    ],
    ['Docker writing nft itself', ['ip docker-bridges filter-forward'], ['docker: table ip docker-bridges']],
    [
      'ufw with fail2ban',
      ['ip filter INPUT', 'ip filter ufw-user-input', 'inet f2b-table f2b-chain'],
      ['ufw: chain ufw-user-input in table ip filter', 'fail2ban: chain f2b-chain in table inet f2b-table'],
    ],
    ['firewalld', ['inet firewalld filter_INPUT'], ['firewalld: table inet firewalld']],
    ['libvirt', ['ip libvirt_network forward'], ['libvirt: table ip libvirt_network']],
    [
      'Tailscale',
      ['ip filter ts-input', 'ip filter INPUT'],
      ['tailscale: chain ts-input in table ip filter'],
    ],
    ['CrowdSec', ['ip crowdsec crowdsec-chain'], ['crowdsec: table ip crowdsec']],
    [
      'the recipe by hand',
      ['ip filter INPUT', 'ip6 filter INPUT'],
      ['iptables-nft: chain INPUT in table ip filter'],
    ],
    [
      'the file of nftables.service, in two tables',
      ['inet filter input', 'inet filter forward', 'ip nat postrouting'],
      [
        'nft table inet filter: chain input in table inet filter',
        'nft table ip nat: chain postrouting in table ip nat',
      ],
    ],
  ]
  for (const [title, chains, expected] of cases) {
    test(title, () => assert.deepEqual(found(chains), expected))
  }

  test('known by an interface alone', () => {
    assert.deepEqual(found([], ['lo', 'docker0', 'virbr0', 'br-lan']), [
      'docker: interface docker0',
      'libvirt: interface virbr0',
    ])
  })

  test('legacy iptables: chains of its own and chains with rules, not empty built-in ones', () => {
    const text =
      '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:f2b-sshd - [0:0]\n-A FORWARD -j DROP\nCOMMIT\n'
    const chains = readLegacyChains(text, 'ip')
    assert.deepEqual(
      chains.map((one) => one.chain),
      ['f2b-sshd', 'FORWARD'],
    )
    const plain = readLegacyChains('*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n', 'ip6')
    assert.deepEqual(findOtherFirewalls([...plain], []), [
      { name: 'iptables-legacy', evidence: 'chain INPUT in table ip6 filter' },
    ])
  })

  test('output that is no JSON is a note', () => {
    assert.equal(readNftChains('{"nftables": [').notes.length, 1)
    assert.deepEqual(readNftChains(''), { value: [], notes: [] })
  })
})
