import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSocketInodes } from './socket-inodes.ts'

test('established sockets with their ports and inodes; listening ones and odd lines are left out', () => {
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0 100 0 0 10 0',
    '   1: 0200000A:0016 0300000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0',
    '   2: not a line',
  ].join('\n')
  assert.deepEqual(readSocketInodes(text), [{ localPort: 22, remotePort: 54321, inode: '4711' }])
})
