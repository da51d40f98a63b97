import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSocketInodes } from './socket-inodes.ts'

const words = (entry: ReturnType<typeof readSocketInodes>[number]) =>
  `${entry.local.address} ${entry.local.port} ${entry.remote.address} ${entry.remote.port} ${entry.inode}`

test('established sockets with both ends and inodes; listening ones and odd lines are left out', () => {
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0 100 0 0 10 0',
    '   1: 0200000A:0016 0300000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0',
    '   2: not a line',
    '   3: 0200000A:0016 0300000A 01 0:0 0:0 0 0 0 4712 1',
  ].join('\n')
  assert.deepEqual(readSocketInodes(text, true).map(words), ['10.0.0.2 22 10.0.0.3 54321 4711'])
})

test('IPv6, and IPv4 over a socket for both families, in the byte order of either machine', () => {
  const line = (local: string, remote: string) =>
    `   0: ${local}:0016 ${remote}:D431 01 0:0 0:0 0 0 0 9 1 0 20 4 30 10 -1`
  const little = [
    line('B80D0120000000000000000001000000', 'B80D0120000000000000000002000000'),
    line('0000000000000000FFFF00000200000A', '0000000000000000FFFF00000300000A'),
  ]
  const big = [
    line('20010DB8000000000000000000000001', '20010DB8000000000000000000000002'),
    line('00000000000000000000FFFF0A000002', '00000000000000000000FFFF0A000003'),
  ]
  const expected = ['2001:db8::1 22 2001:db8::2 54321 9', '10.0.0.2 22 10.0.0.3 54321 9']
  assert.deepEqual(readSocketInodes(little.join('\n'), true).map(words), expected)
  assert.deepEqual(readSocketInodes(big.join('\n'), false).map(words), expected)
})
