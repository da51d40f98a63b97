import { InternalError } from '../base/internal-error.ts'

/** Every member is a function that answers later. */
type Later<Port> = { readonly [Name in keyof Port]: (...args: never[]) => Promise<unknown> }

/**
 * A port that is loaded when it is first asked something, and then once: all its functions answer later anyway, so
 * nobody can tell. What cannot be loaded fails each call.
 */
export function onDemand<Port extends Later<Port>>(load: () => Promise<Port>): Port {
  let loaded: Promise<Port> | undefined
  const call = async (name: string | symbol, args: readonly unknown[]): Promise<unknown> => {
    const port = await (loaded ??= load())
    const member: unknown = Reflect.get(port, name)
    if (typeof member !== 'function') throw new InternalError(`the port has no ${String(name)}`)
    return Reflect.apply(member, port, args)
  }
  const handler: ProxyHandler<Port> = {
    // Without this, a port that is awaited itself would be taken for a promise.
    get: (_, name) => (name === 'then' ? undefined : (...args: unknown[]) => call(name, args)),
  }
  // An empty object stands for the port: the handler answers for every member.
  return new Proxy({} as Port, handler)
}
