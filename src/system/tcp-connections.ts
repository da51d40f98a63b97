import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { CONNECTIONS_QUESTION, readConnections } from '../host/connection-key.ts'
import type { RunCommand } from './command.ts'
import { runCommand } from './command.ts'

/** Milliseconds; a hundred thousand connections take `ss` half a second. */
const PATIENCE = 20_000

/**
 * Every TCP connection of this network namespace, half open and just ended ones too, as `connectionKey` writes it. All
 * of them or an error, a sentence: a connection that were missing here would later pass for a new one.
 */
export async function listTcpConnections(
  run: RunCommand = runCommand,
): Promise<Result<readonly string[], string>> {
  const answer = await run('ss', CONNECTIONS_QUESTION, { timeout: PATIENCE })
  switch (answer.kind) {
    case 'missing':
      return fail('`ss` is not installed (package iproute2): the connections that exist cannot be listed')
    case 'failed':
      return fail(`\`ss\` could not be started: ${answer.reason}`)
    case 'ran': {
      if (answer.timedOut) return fail(`\`ss\` gave no answer within ${PATIENCE / 1000} s`)
      if (answer.truncated) return fail('`ss` lists more connections than can be read')
      if (answer.code !== 0) {
        return fail(
          answer.stderr.trim().split('\n')[0] || `\`ss\` failed with exit code ${answer.code ?? 'none'}`,
        )
      }
      const { connections, odd } = readConnections(answer.stdout)
      if (odd !== undefined)
        return fail(`a line of \`ss\` could not be read: ${JSON.stringify(odd.slice(0, 120))}`)
      return ok(connections)
    }
    default:
      return answer satisfies never
  }
}
