import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PLAIN_PROTOCOLS, PORT_PROTOCOLS, PROTOCOL_NUMBER, protocolName } from './protocol.ts'

test('a protocol has a number and the number its name', () => {
  for (const [name, number] of Object.entries(PROTOCOL_NUMBER)) assert.equal(protocolName(number), name)
  assert.equal(protocolName(89), undefined)
  for (const name of [...PORT_PROTOCOLS, ...PLAIN_PROTOCOLS]) assert.ok(PROTOCOL_NUMBER[name] > 0)
})
