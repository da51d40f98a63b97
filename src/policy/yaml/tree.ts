/**
 * A YAML text as the policy reader sees it: maps, lists and scalars, each scalar still its source text, so that
 * `001122334455` or `12:34:56:10:20:30` can never have become a number. Offsets are in UTF-16 units.
 */
export type YamlNode = YamlScalar | YamlMap | YamlList

export interface YamlScalar {
  readonly kind: 'scalar'
  /** The text without its quotes and escapes; empty where nothing is written. */
  readonly text: string
  readonly style: 'plain' | 'quoted' | 'block'
  readonly start: number
  readonly end: number
}

export interface YamlMap {
  readonly kind: 'map'
  readonly entries: readonly YamlEntry[]
  readonly start: number
  readonly end: number
}

export interface YamlEntry {
  readonly key: YamlScalar
  readonly value: YamlNode
}

export interface YamlList {
  readonly kind: 'list'
  readonly items: readonly YamlNode[]
  readonly start: number
  readonly end: number
}

/** Why a text is no tree; `start` and `end` are offsets. */
export interface YamlProblem {
  readonly code:
    | 'yaml-syntax'
    | 'yaml-version'
    | 'yaml-documents'
    | 'yaml-tag'
    | 'yaml-alias'
    | 'yaml-depth'
    | 'yaml-size'
    | 'yaml-tab'
  readonly message: string
  readonly fix: string
  readonly start: number
  readonly end: number
}

/** What became of a text: a tree or problems; neither where it is blank. */
export interface ParsedYaml {
  readonly root: YamlNode | undefined
  readonly problems: readonly YamlProblem[]
}

/** The nothing after `key:`: an empty plain scalar that stands where the key ends. */
export function emptyScalar(offset: number): YamlScalar {
  return { kind: 'scalar', text: '', style: 'plain', start: offset, end: offset }
}

/** A character that YAML 1.2 does not allow in a text (all but c-printable), lone surrogates aside. */
export const NOT_PRINTABLE = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/
