import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { jsonSchemas } from './json-schema.ts'

const folder = new URL('../../../schema/', import.meta.url)

// To update: UPDATE_SCHEMA=1 npx vitest run --project unit packages/sluice/src/definition/schema/json-schema.test.ts && npm run format
test.each(Object.entries(jsonSchemas()))('schema/%s is what the definition accepts today', (file, schema) => {
  if (process.env['UPDATE_SCHEMA'] !== undefined) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(new URL(file, folder), `${JSON.stringify(schema, null, 2)}\n`)
  }
  expect(JSON.parse(readFileSync(new URL(file, folder), 'utf8'))).toEqual(schema)
})
