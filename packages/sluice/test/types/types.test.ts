import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test('what the types allow compiles, and what they refuse does not; templates and examples included', async () => {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const here = fileURLToPath(new URL('tsconfig.json', import.meta.url))
  const output = await promisify(execFile)(process.execPath, [tsc, '-p', here, '--pretty', 'false']).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  )
  expect(output).toBe('')
}, 120_000)
