/** `sluice query` */
import { once } from 'node:events'
import { createWriteStream, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { sluiceError } from '../../base/errors.ts'
import { openReads, owner, type QueryStream } from '../../query/reads.ts'
import type { Context, Input, Run } from '../command.ts'
import { defaultFormat, type RowFormat, writeRows } from '../render/rows.ts'
import { plural } from '../render/text.ts'

const formatByEnding: { readonly [ending: string]: RowFormat } = {
  '.csv': 'csv',
  '.json': 'json',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
}

export const run: Run<'query'> = async (context, input) => {
  const { terminal } = context
  const sql = await sqlOf(context, input)
  const format =
    input.format ?? (input.output === undefined ? defaultFormat(terminal) : formatByEnding[extname(input.output)])
  if (format === undefined) {
    const expected = `its ending says the format: ${Object.keys(formatByEnding).join(', ')}; or give --format`
    throw sluiceError('Cli.BadValue', { option: '--output', value: input.output ?? '', expected })
  }
  const limit = input.all ? Number.POSITIVE_INFINITY : input.limit
  await using project = await context.openToRead()
  await openReads(project, owner()).stream(sql, { signal: context.signal }, async ({ columns, batches }) => {
    const cutOff = { rows: 0, more: false }
    const result = { columns, batches: atMost(batches, limit, cutOff) }
    const options = { spreadsheetSafe: input['spreadsheet-safe'] }
    if (input.output === undefined) await writeRows(result, format, terminal.out, options)
    else await writeFile(resolve(context.root, input.output), result, format, options)
    if (cutOff.more) await terminal.note(`Only the first ${plural(cutOff.rows, 'row')}; --limit or --all gives more.`)
    else if (input.output !== undefined || terminal.out.tty) await terminal.note(plural(cutOff.rows, 'row'))
  })
  return 0
}

async function sqlOf(context: Context, { sql, file }: Input<'query'>): Promise<string> {
  if (file !== undefined && sql !== undefined) {
    throw sluiceError('Cli.BadValue', {
      option: '--file',
      value: file,
      expected: 'SQL is given as text or as a file, not both',
    })
  }
  if (file !== undefined && file !== '-') return readFileSync(resolve(context.root, file), 'utf8')
  if (sql !== undefined && sql !== '-') return sql
  if (sql === undefined && file === undefined)
    throw sluiceError('Cli.MissingArgument', { argument: 'sql', command: 'query' })
  return text(context.stdin)
}

async function* atMost(
  batches: QueryStream['batches'],
  limit: number,
  seen: { rows: number; more: boolean },
): QueryStream['batches'] {
  for await (const batch of batches) {
    const kept = batch.slice(0, limit - seen.rows)
    seen.rows += kept.length
    yield kept
    seen.more = kept.length < batch.length
    if (seen.more) return
  }
}

/** Under another name until it is whole: a query that fails half-way leaves no half of a file. */
async function writeFile(
  path: string,
  result: QueryStream,
  format: RowFormat,
  options: { readonly spreadsheetSafe: boolean },
): Promise<void> {
  const partial = `${path}.${process.pid}.partial`
  const stream = createWriteStream(partial, { flags: 'wx' })
  const failed = once(stream, 'error').then(([error]) => Promise.reject(error))
  failed.catch(() => {})
  const write = async (piece: string | Uint8Array): Promise<void> => {
    if (!stream.write(piece)) await Promise.race([once(stream, 'drain'), failed])
  }
  try {
    await writeRows(result, format, { write, data: write, closed: false, paint: (_look, plain) => plain }, options)
    stream.end()
    await Promise.race([once(stream, 'close'), failed])
    await rename(partial, path)
  } catch (error) {
    stream.destroy()
    await rm(partial, { force: true })
    throw error
  }
}
