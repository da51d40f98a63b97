/** Text that would do harm where it is pasted unescaped: into a terminal, a shell, nft, YAML, JSON, a log. */
export const HOSTILE: readonly string[] = [
  '"; }\n\tflush ruleset; table inet x {',
  "'; rm -rf / #",
  '$(reboot) `reboot` ${HOME}',
  '} accept comment "',
  '\u001b[2J\u001b[31mred\u001b]0;title\u0007',
  '\u009b31mred',
  '\u202etxt.exe\u202c',
  '\u2066hidden\u2069',
  'a\r\nb\nc\rd',
  'nul\u0000byte',
  'back\\slash\\',
  '\u2028line\u2029paragraph',
  '\ufeffbom\u200bzero\u200dwidth',
  '\u007f\u0008\u0008\u0008',
  '<script>alert(1)</script>',
  '%s%n%x',
  '../../etc/passwd',
  '--open',
  '家\u0301族\u{1f4a9}',
  'x'.repeat(4096),
]

/** Nothing in it moves the cursor, colours, hides or reorders: only line ends, tabs that indent, and SGR colours where asked for. */
export function isHarmless(
  text: string,
  options: { readonly colours: boolean } = { colours: false },
): boolean {
  const unpainted = options.colours ? text.replace(/\u001b\[\d{1,2}m/g, '') : text
  const plain = unpainted.replace(/^\t+/gm, '')
  return !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/.test(
    plain,
  )
}
