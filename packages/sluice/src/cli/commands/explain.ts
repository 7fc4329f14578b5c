/** `sluice explain` */
import { sluiceError } from '../../base/errors.ts'
import { type ErrorEntry, registry } from '../../base/registry.ts'
import { suggest } from '../../definition/suggest.ts'
import type { Run } from '../command.ts'
import { writeList } from '../render/rows.ts'

const exits: { readonly [exit: number]: string } = {
  1: 'something failed while it ran',
  2: 'wrong usage or definition; nothing was run',
  3: 'the system or an outside service refused',
  4: 'differences were found',
  5: 'another run holds the project',
  70: 'a bug of Sluice',
}

export const run: Run<'explain'> = async ({ terminal }, { error }) => {
  const entries = Object.entries(registry) as unknown as readonly (readonly [string, ErrorEntry<never>])[]
  if (error === undefined) {
    const sorted = entries
      .map(([name, { code, title, exit }]) => ({ code, name, title, exit }))
      .sort((a, b) => (a.code < b.code ? -1 : 1))
    await writeList(terminal, [{ key: 'code' }, { key: 'name' }, { key: 'title' }], sorted, (row) => row)
    return 0
  }
  const wanted = error.toLowerCase().replace(/^(slu)?(\d{4})$/, 'slu$2')
  const found = entries.find(([name, { code }]) => code.toLowerCase() === wanted || name.toLowerCase() === wanted)
  if (found === undefined) {
    const suggestion = suggest(
      error,
      entries.flatMap(([name, { code }]) => [name, code]),
    )
    throw sluiceError(
      'Cli.UnknownName',
      { what: 'error', name: error, known: [] },
      suggestion === undefined ? {} : { suggestion },
    )
  }
  const [name, entry] = found
  const { code, title, retry, exit, explanation } = entry
  const { out } = terminal
  if (terminal.json) {
    await out.line(JSON.stringify({ code, name, title, retry, exit, explanation }, null, 2))
    return 0
  }
  await out.line(`${out.paint('bold', `${code}  ${title}`)}\n`)
  await out.line(`  Name    ${name}`)
  await out.line(
    `  Retry   ${retry === 'transient' ? 'doing the same again may succeed; a run does so up to three times' : 'doing the same again will fail again'}`,
  )
  await out.line(`  Exit    ${exit}: ${exits[exit]}`)
  if (explanation !== undefined) await out.line(`\n${explanation}`)
  return 0
}
