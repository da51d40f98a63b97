import type { CodePages } from './page.ts'

/** Problems of the text before it is a policy. */
export const YAML_CODES = {
  'yaml-syntax': {
    title: 'The file is not YAML',
    means:
      'Nothing can be read before the text is YAML 1.2. Most often a bracket, a quote, a comma or the space after a colon is missing, here or in the line above.',
    wrong: 'devices:\n  office: { address: [192.0.2.7, 192.0.2.8 }\n',
    right: 'devices:\n  office: { address: [192.0.2.7, 192.0.2.8] }\n',
  },
  'yaml-tab': {
    title: 'A tab where YAML wants spaces',
    means: 'YAML is indented with spaces only: how wide a tab is would decide what belongs to what.',
    wrong: 'devices:\n\toffice: { address: 192.0.2.7 }\n',
    right: 'devices:\n  office: { address: 192.0.2.7 }\n',
  },
  'yaml-version': {
    title: 'A YAML directive',
    means:
      'Under %YAML 1.1 the MAC address 12:34:56:10:20:30 is a number in base 60, and yes is true. A policy is always YAML 1.2 and needs no directive.',
    wrong: '%YAML 1.1\n---\nadmit: 1\n',
    right: 'admit: 1\n',
  },
  'yaml-documents': {
    title: 'More than one document in the file',
    means:
      'A line --- begins another YAML document. One file is one policy, so that nobody has to ask which one holds.',
    wrong: 'admit: 1\n---\nadmit: 1\n',
    right: 'admit: 1\n',
  },
  'yaml-tag': {
    title: 'A YAML tag',
    means:
      'Tags (!name) tell a program to read a value as something else than it looks. The key already says what its value is.',
    wrong: 'devices:\n  office: { address: !ip 192.0.2.7 }\n',
    right: 'devices:\n  office: { address: 192.0.2.7 }\n',
  },
  'yaml-alias': {
    title: 'An anchor or alias',
    means:
      'An alias (*name) repeats what an anchor (&name) marked, and a few lines of them can stand for a billion values. A policy that is read by people should say what it means where it means it; groups give several devices one name.',
    wrong: 'devices:\n  a: &one { address: 192.0.2.7 }\n  b: *one\n',
    right: 'devices:\n  a: { address: [192.0.2.7, 192.0.2.8] }\n',
  },
  'yaml-depth': {
    title: 'Nested too deep',
    means:
      'A policy is at most six levels deep. Sixty-four are an accident, such as brackets that are never closed.',
    wrong: `devices: ${'['.repeat(70)}\n`,
    right: 'devices: {}\n',
  },
  'yaml-size': {
    title: 'The file is too large',
    means:
      'A policy of 100,000 devices has about ten megabytes. Beyond 64 MiB admit reads nothing; beyond 512 KiB it reads only plain YAML: every value on one line, no tabs.',
    wrong: '# a file of more than 64 MiB\n',
    right: 'admit: 1\n',
  },
  'too-many-problems': {
    title: 'More problems than are shown',
    means: 'At most 1,000 problems of one file are kept. The others will show once these are solved.',
    wrong: '# a file with more than 1,000 mistakes\n',
    right: 'admit: 1\n',
  },
} as const satisfies CodePages
