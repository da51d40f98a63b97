/** A bug of admit's own: never the user's text, never the kernel's refusal. Caught only in main, exit code 70. */
export class InternalError extends Error {
  override readonly name = 'InternalError'
}
