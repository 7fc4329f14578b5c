import { execFile } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandTable } from '../../src/cli/command-table.ts'
import { sluice } from '../acceptance/project.ts'

/** Examples of the help that need a server, a run that is at work, a snapshot that is held, or a definition with an environment or a parameter; and those without an end. */
const elsewhere = [
  /^sluice cdc\b/,
  // The guide of daily files runs it, where a snapshot is held.
  /^sluice accept dim_price\b/,
  /^sluice crawl erp\b/,
  /^sluice watch\b/,
  /^sluice runs logs\b/,
  /^sluice task\b/,
  /--env prod/,
  / -p since=/,
]

/** What they end with in a project that has just been run: there is nothing to retry, and nothing to deliver again. */
const codes: { readonly [example: string]: number } = {
  'sluice plan --select +fact_sales --exit-code': 4,
  'sluice retry': 2,
  'sluice quarantine replay raw.sales': 2,
}

/** Before the run that archives the files, in the order of the help; what undoes comes last. */
const order = (example: string): number =>
  /^sluice (init|crawl|plan)/.test(example) ? 0 : /rollback/.test(example) ? 2 : 1

test('every example of the help runs in the project that its first one makes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-commands-'))
  const examples = Object.values<{ readonly examples?: readonly string[] }>(commandTable)
    .flatMap((spec) => spec.examples ?? [])
    .filter((example) => !elsewhere.some((pattern) => pattern.test(example)))
    .sort((a, b) => order(a) - order(b))
  expect(examples[0]).toMatch(/^sluice init my-pipeline/)
  const wrong: string[] = []
  for (const example of examples) {
    const cwd = example === examples[0] ? folder : join(folder, 'my-pipeline')
    // The third version of the examples is the one that this project has not: it was run once.
    const { code, output } = await shell(cwd, example.replace(/(stage\.sales|--version) 3\b/, '$1 1'))
    if (code !== (codes[example] ?? 0)) wrong.push(`${example} ended with ${code}: ${output}`)
    if (example === examples[0]) writeFileSync(join(folder, 'my-pipeline/report.sql'), 'SELECT 1 AS one')
  }
  expect(wrong).toEqual([])
})

function shell(cwd: string, example: string): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((done) => {
    const script = `sluice() { "${process.execPath}" "${sluice}" "$@"; }; ${example}`
    execFile('bash', ['-c', script], { cwd, env: { ...process.env, NO_COLOR: '1' } }, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, output: stdout + stderr }),
    )
  })
}
