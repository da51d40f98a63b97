/** What `admit help CODE` and docs/errors.md say about one kind of diagnostic. */
export interface CodePage {
  /** What is wrong, in a few words, without a full stop. */
  readonly title: string
  /** What it means and why it matters: a short paragraph. */
  readonly means: string
  /** A piece of a policy that has the problem; `admit: 1` and `safety:` are left out where they do not matter. */
  readonly wrong: string
  /** The same piece without it. */
  readonly right: string
}

export type CodePages = { readonly [code: string]: CodePage }
