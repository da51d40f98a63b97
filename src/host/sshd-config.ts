import { parsePort } from '../net/port.ts'

/** One setting of an sshd_config, its keyword in lower case, its words unquoted. */
interface Setting {
  readonly keyword: string
  readonly words: readonly string[]
}

/**
 * The patterns that `Include` lines of an sshd_config name (sshd_config(5)); relative ones are below /etc/ssh.
 * sshd reads them where they stand; for ports the place does not matter, since every `Port` line counts.
 */
export function includesOf(text: string): readonly string[] {
  return settingsOf(text)
    .filter((setting) => setting.keyword === 'include')
    .flatMap((setting) => setting.words)
    .map((pattern) => (pattern.startsWith('/') ? pattern : `/etc/ssh/${pattern}`))
}

/** The ports that sshd would listen on by these configuration texts: its `Port` and `ListenAddress` lines, else 22. */
export function portsOfSshdConfig(texts: readonly string[]): readonly number[] {
  const settings = texts.flatMap(settingsOf)
  const ports = settings.filter((setting) => setting.keyword === 'port').map((setting) => setting.words[0])
  const addressed = settings
    .filter((setting) => setting.keyword === 'listenaddress')
    .map((setting) => portOfAddress(setting.words[0] ?? ''))
  const explicit = addressed.filter((port) => port !== undefined)
  // A ListenAddress without a port listens on the Port lines' ports; with one it needs none of them.
  const onlyAddressed = addressed.length > 0 && explicit.length === addressed.length
  const written = onlyAddressed ? explicit : [...(ports.length > 0 ? ports : ['22']), ...explicit]
  const valid = written.map((port) => parsePort(port ?? '')).filter((port) => port.ok)
  return [...new Set(valid.map((port) => Number(port.value)))]
}

/** `1.2.3.4:2222`, `[::]:2222` or `host:2222`; a bare IPv6 address has no port. */
function portOfAddress(text: string): string | undefined {
  const shape = /^(?:\[[^\]]*\]|[^:[\]]*):(\d+)$/.exec(text)
  return shape?.[1]
}

function settingsOf(text: string): readonly Setting[] {
  return text.split('\n').flatMap((line) => {
    const shape = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)$/.exec(line.replace(/\s#.*$/, ''))
    if (shape === null) return []
    const words = [...(shape[2] ?? '').matchAll(/"([^"]*)"|(\S+)/g)].map((word) => word[1] ?? word[2] ?? '')
    return [{ keyword: (shape[1] ?? '').toLowerCase(), words }]
  })
}
