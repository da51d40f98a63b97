import fc from 'fast-check'

/**
 * Text of any characters, those that do harm often among them. Well formed: no half of a surrogate pair. (What
 * fast-check calls `binary` is as wide, and takes two seconds to set up in each process.)
 */
export function anyText(maxLength = 40): fc.Arbitrary<string> {
  const code = fc.oneof(
    fc.nat(0x7f),
    fc.integer({ min: 0x80, max: 0x9f }),
    fc.integer({ min: 0x2000, max: 0x206f }),
    fc.nat(0xd7ff),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  return fc.array(code, { maxLength }).map((codes) => String.fromCodePoint(...codes))
}
