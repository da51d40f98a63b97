/** Every diagnostic of the policy language, with the page that `admit help CODE` prints. */
export const CODES = {
  'yaml-syntax': { title: 'The file is not YAML', page: '' },
} as const satisfies Record<string, { readonly title: string; readonly page: string }>

export type DiagnosticCode = keyof typeof CODES
