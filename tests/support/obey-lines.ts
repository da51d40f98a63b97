import { createInterface } from 'node:readline'

/** What a command does with its words; the answer is one line. */
export type Command = (...words: readonly string[]) => Promise<string> | string

/**
 * Does what standard input says, one command a line, one after the other, and answers each with one line; the process
 * ends with its input. A command that is none, or that fails, ends it with an error.
 */
export function obeyLines(commands: Readonly<Record<string, Command>>): void {
  const obey = async (line: string): Promise<void> => {
    const [name = '', ...words] = line.split(' ')
    const command = commands[name]
    if (command === undefined) throw new Error(`no such command: ${line}`)
    process.stdout.write(`${await command(...words)}\n`)
  }
  let work = Promise.resolve()
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      work = work.then(() => obey(line))
    })
    .on('close', () => process.exit(0))
}
