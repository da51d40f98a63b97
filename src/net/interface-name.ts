import type { Brand } from '../base/brand.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'

/** The name of a network interface as the kernel takes it (dev_valid_name in net/core/dev.c). */
export type InterfaceName = Brand<string, 'InterfaceName'>

/**
 * Reads an interface name: 1 to 15 bytes, no slash, colon or white space, not `.` or `..`. Narrower than the
 * kernel in two ways: printable ASCII only, and no `*`, `"` or `\` (nft reads a trailing `*` as a wildcard).
 */
export function parseInterfaceName(text: string): Result<InterfaceName, string> {
  if (text.length < 1 || text.length > 15)
    return fail('an interface name has 1 to 15 characters, such as eth0')
  if (text === '.' || text === '..') return fail('. and .. are no interface names')
  if (!/^[!#-)+-.0-9;-[\]-~]+$/.test(text)) {
    return fail('an interface name has no white space, slash, colon, quote, backslash or *')
  }
  return ok(text as InterfaceName)
}
