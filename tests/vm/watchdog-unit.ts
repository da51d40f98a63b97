/** The watchdog as systemd's child, as docs/decisions/008-watchdog-units.md recommends it. */
export function watchdogUnit(guard: string, state: string, id: string): readonly string[] {
  return [
    'systemd-run',
    '--quiet',
    '--collect',
    `--unit=admit-watchdog-${id}.service`,
    '--service-type=exec',
    '--property=Restart=on-failure',
    '--property=RestartSec=100ms',
    '--property=RestartPreventExitStatus=2',
    '--property=StartLimitIntervalSec=0',
    '--property=TimeoutStopSec=2s',
    '--property=OOMScoreAdjust=-1000',
    '--property=OOMPolicy=continue',
    '/bin/sh',
    // systemd puts the environment in place of ${NAME}, and one $ in place of two.
    guard.replaceAll('$', '$$$$'),
    'watch',
    state.replaceAll('$', '$$$$'),
    id,
  ]
}

/** As words that a shell reads back. */
export function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
}
