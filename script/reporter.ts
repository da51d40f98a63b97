/** A reporter for `node --test`: one JSON line a thing worth telling, for script/test.ts to count and print. */
import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

export type Report =
  | { readonly kind: 'failed'; readonly name: string; readonly where: string; readonly why: string }
  | { readonly kind: 'skipped'; readonly name: string; readonly where: string; readonly why: string }
  | { readonly kind: 'said'; readonly text: string }
  | { readonly kind: 'total'; readonly passed: number }

/** Files without a test, which node:test counts as passed. */
let emptyFiles = 0

export default async function* reporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    const report = toReport(event)
    if (report !== undefined) yield `${JSON.stringify(report)}\n`
  }
}

function toReport(event: TestEvent): Report | undefined {
  switch (event.type) {
    case 'test:fail': {
      const error: Error & { readonly failureType?: unknown } = event.data.details.error
      // A failing case makes everything around it fail too; the case is the news.
      if (error.failureType === 'subtestsFailed') return undefined
      return { kind: 'failed', name: event.data.name, where: where(event.data), why: explain(error) }
    }
    case 'test:pass': {
      // A file that ends early with status 0 passes for node:test.
      if (event.data.name === where({ file: event.data.file })) {
        emptyFiles += 1
        return { kind: 'failed', name: '', where: event.data.name, why: 'this file ran no test at all' }
      }
      const why = event.data.skip ?? event.data.todo
      if (why === undefined || why === false) return undefined
      const reason = typeof why === 'string' && why !== '' ? why : 'no reason given'
      return { kind: 'skipped', name: event.data.name, where: where(event.data), why: reason }
    }
    case 'test:diagnostic':
      // Without a file they are the totals in node:test's own words.
      return event.data.file === undefined ? undefined : { kind: 'said', text: event.data.message }
    case 'test:stdout':
    case 'test:stderr':
      return { kind: 'said', text: event.data.message.trimEnd() }
    case 'test:summary':
      // Each file tells its own total too; the one without a file is the run's.
      return event.data.file === undefined
        ? { kind: 'total', passed: event.data.counts.passed - emptyFiles }
        : undefined
    default:
      return undefined
  }
}

function explain(error: Error): string {
  const text = inspect(error.cause ?? error, { colors: false, depth: 8 })
  return text.replaceAll(/^ +at .*\(node:.*\n/gm, '')
}

function where(data: { readonly file?: string | undefined; readonly line?: number | undefined }): string {
  const file = data.file === undefined ? '' : relative(process.cwd(), data.file)
  return data.line === undefined ? file : `${file}:${data.line}`
}
