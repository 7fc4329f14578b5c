/** `sluice quarantine` */
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import { openReads, owner, type Reads, type TableQuarantine } from '../../query/reads.ts'
import type { OpenProject } from '../../run/api.ts'
import type { Context, Run } from '../command.ts'
import { count, cut, plural, visible } from '../render/text.ts'
import { runAndShow } from '../run-and-show.ts'

const actions = ['show', 'export', 'replay', 'dismiss'] as const

export const run: Run<'quarantine'> = async (context, { action, table, limit, output, version }) => {
  await using project = await context.openToRead()
  const reads = openReads(project, owner())
  // A table may come first: `sluice quarantine raw.sales`.
  const named = actions.find((known) => known === action)
  if (named === undefined && table !== undefined) {
    throw sluiceError('Cli.BadValue', {
      option: '<action>',
      value: action ?? '',
      expected: `one of ${actions.join(', ')}`,
    })
  }
  const chosen = named === undefined ? action : table
  if (named === undefined || named === 'show') return show(context, reads, chosen, limit)
  if (chosen === undefined)
    throw sluiceError('Cli.MissingArgument', { argument: 'table', command: `quarantine ${named}` })
  if (named === 'export') return exportRows(context, reads, chosen, output)
  if (named === 'dismiss') return dismiss(context, project, { reads, table: chosen, version })
  const { name } = await reads.table(chosen)
  return runAndShow(context, project, (watching) => project.replayQuarantine(name, watching))
}

async function dismiss(
  { terminal, confirm }: Context,
  project: OpenProject,
  { reads, table, version }: { readonly reads: Reads; readonly table: string; readonly version: number | undefined },
): Promise<number> {
  const { name } = await reads.table(table)
  const [found] = await reads.quarantine(name, { samples: 0 })
  const of = found?.versions.filter((one) => version === undefined || one.version === version) ?? []
  if (of.length === 0)
    throw sluiceError('Quality.NothingToDismiss', { table: name, ...(version === undefined ? {} : { version }) })
  const rows = plural(
    of.reduce((sum, one) => sum + one.rows, 0),
    'row',
  )
  if (
    !(await confirm(`Remove ${rows} that ${name} refused from quarantine? They cannot be exported or replayed then.`))
  ) {
    await terminal.note('Nothing was changed.')
    return 0
  }
  const record = await project.dismissQuarantine(name, version)
  if (terminal.json) await terminal.out.json({ table: name, version: record.version, dismissed: record.dismissed })
  else await terminal.out.line(`${rows} left the quarantine of ${name}, which is at version ${record.version}.`)
  await terminal.next(`sluice quarantine`)
  return 0
}

async function show(
  { terminal, signal }: Context,
  reads: Reads,
  table: string | undefined,
  limit: number,
): Promise<number> {
  const found = await reads.quarantine(table, { samples: limit, signal })
  if (terminal.json) await terminal.out.json(found)
  else if (!terminal.out.tty) await terminal.out.data(found.map((one) => `${JSON.stringify(one)}\n`).join(''))
  else
    for (const one of found)
      await terminal.out.write(`${blockOf(one, terminal.out.columns, terminal.out.paint).join('\n')}\n\n`)
  if (found.length === 0) await terminal.note('Nothing is in quarantine.')
  else await terminal.next(`sluice quarantine export ${found[0]!.table} -o refused`)
  return 0
}

function blockOf(one: TableQuarantine, columns: number, paint: Context['terminal']['out']['paint']): readonly string[] {
  const reasons = Object.entries(one.reasons).sort(([, a], [, b]) => b - a)
  const widest = Math.max(0, ...reasons.map(([, rows]) => count(rows).length))
  return [
    `${paint('bold', visible(one.table))}  ${plural(one.rows, 'row')} in quarantine, refused ${versionsOf(one)}`,
    ...reasons.map(([reason, rows]) => `  ${count(rows).padStart(widest)}  ${visible(reason)}`),
    ...one.samples.flatMap((row) => [
      `  ${paint('cyan', visible(placeOf(row)))}  ${visible(row.reasons.join(', '))}`,
      `    ${cut(visible(row.text), Math.max(40, columns) - 5)}`,
    ]),
  ]
}

/** A row of a file has a line; a change has a position and a time. */
function placeOf({ file, line, position, committedAt }: TableQuarantine['samples'][number]): string {
  if (committedAt === undefined) return `${file}:${line}`
  return `${file}${position === undefined ? '' : ` at ${position}`}, committed at ${committedAt}`
}

/** @example versionsOf(one) // 'in version 7 (3), 4 (1)' */
function versionsOf({ versions }: TableQuarantine): string {
  const some = versions.slice(0, 8).map(({ version, rows }) => `${version} (${count(rows)})`)
  return `in version ${some.join(', ')}${versions.length > some.length ? ' and earlier ones' : ''}`
}

/** To stdout, or one file for each delivered file into a folder. */
async function exportRows(context: Context, reads: Reads, table: string, output: string | undefined): Promise<number> {
  const { terminal } = context
  const folder = output === undefined ? undefined : resolve(context.root, output)
  if (folder !== undefined) await mkdir(folder, { recursive: true })
  const files = new Map<string, { readonly name: string; readonly handle: FileHandle }>()
  try {
    for await (const { file, part, bytes } of reads.refused(table, context.signal)) {
      if (folder === undefined) {
        await terminal.out.data(bytes)
        continue
      }
      let target = files.get(`${part} ${file}`)
      if (target === undefined) {
        const name = freeName(file, new Set([...files.values()].map((one) => one.name)))
        // Exclusive: an export never overwrites what somebody is mending.
        target = { name, handle: await open(join(folder, name), 'wx') }
        files.set(`${part} ${file}`, target)
      }
      await target.handle.write(bytes)
    }
  } finally {
    for (const { handle } of files.values()) await handle.close()
  }
  const written = [...files.values()].map(({ name }) => join(output ?? '', name))
  if (folder !== undefined && terminal.json) await terminal.out.json(written)
  else for (const path of written) await terminal.out.line(visible(path))
  if (folder !== undefined) await terminal.next('fix the files, move them to the inbox, then  sluice run')
  return 0
}

/** The last part of a delivered path; never `.`, `..` or a name that is taken. */
function freeName(file: string, taken: ReadonlySet<string>): string {
  const plain = basename(file).replace(/^\.+$/, '_')
  for (let i = 0; ; i++) {
    const name = i === 0 ? plain : `${i}-${plain}`
    if (!taken.has(name)) return name
  }
}
