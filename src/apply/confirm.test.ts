import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { interfaceNamed, ip, SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import type { CallerPath } from '../host/caller.ts'
import type { NetworkInterface } from '../host/host-facts.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import type { ConfirmRequest } from './confirm.ts'
import { judgeConfirm } from './confirm.ts'
import { sshCommand } from './confirm-command.ts'
import type { JournalEntry } from './journal.ts'

const ENTRY: JournalEntry = {
  id: '20261124T115201-3f9a2c',
  kind: 'apply',
  by: 'root (alice)',
  from: '203.0.113.7 port 50000',
  started: { uptime: 100, wall: 1_800_000_000 },
  window: 60,
  tokenHash: '0'.repeat(64),
  unguarded: ['docker0'],
  keeps: true,
  connections: ['192.0.2.1:22 203.0.113.7:50000'],
}
const MOMENT = { uptime: 101, wall: 1_800_000_001 }
const WINDOW = {
  opened: MOMENT,
  deadline: { uptime: 161, wall: 1_800_000_061 },
  connections: ['192.0.2.1:22 203.0.113.7:50010', '[2001:db8::1]:22 [2001:db8:9::7]:50010'],
}

function ssh(remote: string, port = 50_122, way: object = { interface: interfaceNamed('eth0') }): CallerPath {
  const local = ip(remote.includes(':') ? '2001:db8::1' : '192.0.2.1')
  const connection = { local: { address: local, port: 22 }, remote: { address: ip(remote), port }, ...way }
  return { kind: 'ssh', connection }
}
const TMUX: CallerPath = { kind: 'multiplexer', program: 'tmux' }
const UNSEEN: CallerPath = { kind: 'ssh-unseen' }
const UNKNOWN: CallerPath = { kind: 'unknown' }

const request = (path: CallerPath, rest: Partial<ConfirmRequest> = {}): ConfirmRequest => ({
  entry: ENTRY,
  window: WINDOW,
  path,
  facts: SAMPLE_HOST,
  token: 'none',
  here: false,
  user: 'alice',
  ...rest,
})

/** `proven connection`, or `refused old-connection`; every refusal says why and what to type. */
function judge(path: CallerPath, rest: Partial<ConfirmRequest> = {}): string {
  const judged = judgeConfirm(request(path, rest))
  if (judged.kind === 'proven') return `proven ${judged.how}`
  assert.ok(judged.words.length >= 2)
  assert.match(judged.words.join('\n'), /admit confirm/)
  return `refused ${judged.because}`
}

function words(path: CallerPath, rest: Partial<ConfirmRequest> = {}): string {
  const judged = judgeConfirm(request(path, rest))
  assert.equal(judged.kind, 'refused')
  return judged.kind === 'refused' ? judged.words.join('\n') : ''
}

describe('a confirmation over SSH', () => {
  test('counts over a new connection, of either family, with or without the token', () => {
    assert.equal(judge(ssh('203.0.113.7')), 'proven connection')
    assert.equal(judge(ssh('2001:db8:9::7')), 'proven connection')
    assert.equal(judge(ssh('203.0.113.7'), { token: 'right' }), 'proven connection')
    // The port of an old connection, from elsewhere.
    assert.equal(judge(ssh('203.0.113.8', 50_000)), 'proven connection')
  })

  test('not over one that was there when the change began, or when the rules were read back', () => {
    for (const path of [
      ssh('203.0.113.7', 50_000),
      ssh('203.0.113.7', 50_010),
      ssh('2001:db8:9::7', 50_010),
    ]) {
      assert.equal(judge(path), 'refused old-connection')
      assert.equal(judge(path, { token: 'right' }), 'refused old-connection')
    }
    const said = words(ssh('203.0.113.7', 50_000))
    assert.match(said, /203\.0\.113\.7 port 50000/)
    assert.match(said, /session that was open before/)
    assert.match(said, /ControlMaster/)
    assert.match(
      said,
      /\n {2}ssh -t -o ControlMaster=no -o ControlPath=none -p 22 alice@192\.0\.2\.1 sudo admit confirm$/,
    )
  })

  test('not from this host to itself, by whichever of its addresses', () => {
    assert.equal(judge(ssh('192.0.2.1')), 'refused own-address')
    assert.equal(judge(ssh('2001:db8::1')), 'refused own-address')
    assert.equal(judge(ssh('127.0.0.1')), 'refused own-address')
    assert.equal(judge(ssh('127.8.8.8', 1, {})), 'refused own-address')
    assert.equal(judge(ssh('::1')), 'refused own-address')
    assert.equal(judge(ssh('198.51.100.1', 1, { interface: interfaceNamed('lo') })), 'refused own-address')
    assert.match(words(ssh('127.0.0.1')), /over lo/)
  })

  test('not on an interface that the rules do not judge, or where that cannot be told', () => {
    const docker = ssh('172.17.0.2', 5000, { interface: interfaceNamed('docker0') })
    assert.equal(judge(docker), 'refused unguarded')
    assert.match(words(docker), /docker0/)
    assert.equal(judge(ssh('203.0.113.7', 5000, {})), 'refused interface-unknown')
    const entry = { ...ENTRY, unguarded: [] }
    assert.equal(judge(ssh('203.0.113.7', 5000, {}), { entry }), 'proven connection')
    assert.equal(judge(ssh('203.0.113.7'), { facts: UNKNOWN_HOST }), 'refused interface-unknown')
  })

  test('--here is refused, and says whether the connection would do', () => {
    assert.equal(judge(ssh('203.0.113.7'), { here: true }), 'refused not-a-console')
    assert.match(words(ssh('203.0.113.7'), { here: true }), /You are on SSH.*\n.*type `admit confirm`/)
    assert.equal(judge(ssh('203.0.113.7', 50_000), { here: true }), 'refused not-a-console')
    assert.match(words(ssh('203.0.113.7', 50_000), { here: true }), /You are on SSH[^]*ControlPath=none/)
  })

  test('a server above without a connection is no console; the token counts', () => {
    assert.equal(judge(UNSEEN), 'refused ssh-unseen')
    assert.equal(judge(UNSEEN, { here: true }), 'refused not-a-console')
    assert.equal(judge(UNSEEN, { token: 'right' }), 'proven token')
  })
})

describe('a confirmation by another way', () => {
  test('a window of a multiplexer never counts', () => {
    for (const rest of [{}, { token: 'right' }, { here: true }, { token: 'right', here: true }] as const) {
      assert.equal(judge(TMUX, rest), 'refused multiplexer')
    }
    assert.match(words(TMUX), /with or without the token[^]*outside of tmux/)
  })

  test('the token, or --here, where no SSH connection is found', () => {
    assert.equal(judge(UNKNOWN), 'refused no-path')
    assert.match(words(UNKNOWN), /admit confirm TOKEN[^]*admit confirm --here/)
    assert.equal(judge(UNKNOWN, { token: 'right' }), 'proven token')
    assert.equal(judge(UNKNOWN, { here: true }), 'proven console')
    assert.equal(judge(UNKNOWN, { token: 'right', here: true }), 'proven token')
  })

  test('a wrong token is refused, however good the rest', () => {
    for (const path of [ssh('203.0.113.7'), TMUX, UNSEEN, UNKNOWN]) {
      for (const here of [false, true]) {
        assert.equal(judge(path, { token: 'wrong', here }), 'refused wrong-token')
      }
    }
  })
})

describe('the command that is suggested', () => {
  const START = 'ssh -o ControlMaster=no -o ControlPath=none'

  test('the address and port that the caller used, whom they are', () => {
    assert.equal(
      sshCommand({ path: ssh('203.0.113.7'), facts: SAMPLE_HOST, user: 'root' }),
      `${START} -p 22 root@192.0.2.1 admit confirm`,
    )
    assert.match(sshCommand({ path: ssh('2001:db8:9::7'), facts: SAMPLE_HOST }), / USER@2001:db8::1 sudo /)
  })

  test('this host’s own address and SSH port where the caller used none that others can', () => {
    const facts = { ...SAMPLE_HOST, sshPorts: [2222] }
    for (const path of [UNKNOWN, TMUX, UNSEEN]) {
      assert.match(sshCommand({ path, facts }), /-p 2222 USER@192\.0\.2\.1 /)
    }
    const ends = { address: ip('127.0.0.1'), port: 24 }
    const self: CallerPath = { kind: 'ssh', connection: { local: ends, remote: { ...ends, port: 5 } } }
    assert.match(sshCommand({ path: self, facts }), /-p 24 USER@192\.0\.2\.1 /)
    const linkLocal = {
      local: { address: ip('fe80::1'), port: 22 },
      remote: { address: ip('fe80::2'), port: 5 },
    }
    assert.match(sshCommand({ path: { kind: 'ssh', connection: linkLocal }, facts }), /USER@192\.0\.2\.1 /)
  })

  test('words to fill in where nothing is known; a name that a shell would read is never copied', () => {
    const lo: NetworkInterface = {
      name: interfaceNamed('lo'),
      kind: 'loopback',
      ethernet: false,
      addresses: [{ address: ip('192.0.2.99'), prefix: 32, scope: 'global' }],
      up: true,
    }
    const facts = { ...UNKNOWN_HOST, interfaces: [lo] }
    for (const user of ['a;reboot', '$(id)', '-oProxyCommand=x', '', 'a b', '\u001b[2J']) {
      const command = sshCommand({ path: UNKNOWN, facts, user })
      assert.match(command, /-p PORT USER@ADDRESS sudo admit confirm$/)
    }
  })
})
