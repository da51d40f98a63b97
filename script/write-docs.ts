import { writeFileSync } from 'node:fs'
import { errorsDocument } from '../src/policy/codes.ts'
import { jsonSchema } from '../src/policy/language.ts'

/** Writes the pages that are generated from the program's own tables. A test says when they are out of date. */
writeFileSync(new URL('../docs/errors.md', import.meta.url), errorsDocument())
writeFileSync(
  new URL('../docs/policy.schema.json', import.meta.url),
  `${JSON.stringify(jsonSchema(), undefined, 2)}\n`,
)
