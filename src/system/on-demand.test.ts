import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { onDemand } from './on-demand.ts'

class Counter {
  #count = 0
  async add(step: number): Promise<number> {
    this.#count += step
    return this.#count
  }
  async fail(): Promise<never> {
    throw new Error('as asked')
  }
}

describe('a port on demand', () => {
  test('is loaded at the first call, once, and keeps its own state', async () => {
    let loads = 0
    const port = onDemand(async () => {
      loads++
      return new Counter()
    })
    assert.equal(loads, 0)
    assert.deepEqual(await Promise.all([port.add(1), port.add(2)]), [1, 3])
    assert.equal(await port.add(4), 7)
    assert.equal(loads, 1)
  })

  test('may be awaited itself, and is not loaded by that', async () => {
    const port = onDemand<Counter>(() => Promise.reject(new Error('never asked for')))
    assert.equal(await Promise.resolve(port), port)
  })

  test('what the port throws, or why it cannot be loaded, is what the call throws', async () => {
    await assert.rejects(onDemand(async () => new Counter()).fail(), /as asked/)
    const broken = onDemand<Counter>(() => Promise.reject(new Error('no such module')))
    await assert.rejects(broken.add(1), /no such module/)
  })
})
