/** `sluice accept` */
import { sluiceError } from '../../base/errors.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { OpenProject } from '../../run/api.ts'
import type { Run } from '../command.ts'
import { tableText } from '../render/table.ts'
import { count } from '../render/text.ts'

export const run: Run<'accept'> = async (context, { table, instant }) => {
  const { terminal } = context
  await using project = await context.open()
  const target = table === undefined ? undefined : targetOf(project, table)
  const held = (await project.held()).filter((one) => target === undefined || one.target === target)
  if (target === undefined || instant === undefined) {
    const number = { align: 'right' } as const
    const columns = [{ key: 'table' }, { key: 'instant' }, { key: 'keys', ...number }, { key: 'before', ...number }]
    const rows = held.map((one) => ({
      ...{ table: one.target, instant: one.instant, keys: count(one.keys), before: count(one.before) },
    }))
    if (terminal.json) await terminal.out.json(held)
    else if (held.length > 0) await terminal.out.write(tableText(columns, rows, terminal.out))
    const [first] = held
    if (first === undefined) await terminal.note('No snapshot is held.')
    else await terminal.next(`sluice accept ${first.target} ${quoted(first.instant)}`)
    return 0
  }
  const found = held.find((one) => isInstant(one.instant, instant))
  if (found === undefined)
    throw sluiceError('Warehouse.SnapshotNotHeld', { target, instant, held: held.map((one) => one.instant) })
  const question = `Take the snapshot of ${found.instant}, with ${count(found.keys)} keys where the one before it has ${count(found.before)}?`
  if (!(await context.confirm(question))) {
    await terminal.note('Nothing was changed.')
    return 0
  }
  await project.accept(target, found.instant)
  if (terminal.json) await terminal.out.json(found)
  else await terminal.out.line(`The snapshot of ${found.instant} counts for ${target} from the next load on.`)
  await terminal.next('sluice run')
  return 0
}

/** The target of a history from snapshots, by its own name or by that of the one table that it is loaded from. */
function targetOf({ definition }: OpenProject, name: string): string {
  const loads = projectIndex(definition).loads.filter(({ load }) => load.mode === 'scd2' && load.snapshot !== undefined)
  const known = loads.map(({ target }) => target)
  if (known.includes(name)) return name
  const from = loads.filter(({ load }) => load.from === name)
  if (from.length === 1) return from[0]!.target
  const suggestion = suggest(name, known)
  const params = { what: 'history from snapshots', name, known }
  throw sluiceError('Cli.UnknownName', params, suggestion === undefined ? {} : { suggestion })
}

/** Whether a person means this instant: a date alone is its midnight, and instants are in UTC. */
function isInstant(instant: string, written: string): boolean {
  const plain = (text: string): string =>
    text
      .trim()
      .replace('T', ' ')
      .replace(/(?:Z|\+00(?::00)?)$/, '')
  return plain(instant) === plain(written) || plain(instant) === `${plain(written)} 00:00:00`
}

const quoted = (instant: string): string => (instant.includes(' ') ? `"${instant}"` : instant)
