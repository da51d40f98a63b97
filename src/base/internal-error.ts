/** A bug of admit's own: never the user's text, never the kernel's refusal. Caught only around the whole command line (src/cli/program.ts), exit code 70. */
export class InternalError extends Error {
  override readonly name = 'InternalError'
}
