/**
 * After the commit: what was taken goes to the archive, what was refused to the error folder with a report. Every step can be repeated.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, extname, join, resolve, sep } from 'node:path'
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import type { FilesSource } from '../../definition/types.ts'
import type { DiscoveredInput, RefusedInput } from '../source.ts'
import { duplicateIdentity, type FilesContext, hashFile, identityOf } from './discover.ts'
import { describe } from './pattern.ts'

/** Moves what was taken or known to the archive, and what was refused to the error folder. */
export async function acknowledgeFiles(
  table: string,
  source: FilesSource,
  context: FilesContext,
  taken: readonly DiscoveredInput[],
  refused: readonly RefusedInput[],
): Promise<void> {
  if (source.archive !== false) {
    const { archive } = source
    await moveInputs(
      taken.map((input) => ({ input, folder: archive })),
      context,
      'sources.archive',
    )
  }
  await moveInputs(
    refused.map((one) => ({
      input: one.input,
      folder: source.error,
      report: (to) => writeReport(to, table, one, context),
    })),
    context,
    'sources.refuse',
  )
}

/** A file that is to be elsewhere. `report` writes what belongs beside it, while it still has both names. */
interface Move {
  readonly input: DiscoveredInput
  readonly folder: string
  readonly report?: (to: string) => void
}

/**
 * Moves files that are still the ones that were discovered; one that came in their place stays for the next discovery.
 *
 * All get their new names, which are made durable together; then all leave their old ones. A crash in between leaves files with both names,
 * which the next discovery knows.
 */
async function moveInputs(moves: readonly Move[], context: FilesContext, point: string): Promise<void> {
  const named: string[] = []
  const targets = new Set<string>()
  for (const { input, folder, report } of moves) {
    const file = describe(context.root, input.path)
    if (file === undefined || file.bytes !== input.bytes) continue
    const content = await identityOf(file, context.hashCache)
    if (content !== input.id && duplicateIdentity(content, input.path) !== input.id) continue
    const target = safeFolder(context.root, folder)
    if (!targets.has(target)) mkdirSync(target, { recursive: true })
    targets.add(target)
    crashPoint(`${point}.before_move`)
    const to = await claimName(file.absolute, target, basename(input.path), content)
    crashPoint(`${point}.after_link`)
    report?.(to)
    named.push(file.absolute)
  }
  for (const target of targets) syncFolder(target)
  for (const file of named) {
    unlinkSync(file)
    crashPoint(`${point}.after_move`)
  }
  for (const folder of new Set(named.map((file) => dirname(file)))) syncFolder(folder)
}

function safeFolder(root: string, folder: string): string {
  const target = resolve(root, folder)
  if (target !== resolve(root) && !target.startsWith(resolve(root) + sep)) {
    throw sluiceError('Source.Path', { path: folder, why: 'it must stay below the project' })
  }
  return target
}

/** Gives the file a free name in the folder, without ever overwriting one; the same content under the same name is there already. */
async function claimName(from: string, folder: string, name: string, content: string): Promise<string> {
  const ending = extname(name)
  const stem = name.slice(0, name.length - ending.length)
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${stem}.${number}${ending}`
    // A name that would be too long with its report's ending gives way to its digest.
    const fits = Buffer.byteLength(candidate) <= 235
    const to = join(folder, fits ? candidate : `${content.slice(0, 32)}.${number}${ending.slice(0, 16)}`)
    try {
      linkOrCopy(from, to)
      return to
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    // A crash between link and unlink left it there: the same file.
    const there = lstatSync(to)
    if (there.isFile() && there.ino === lstatSync(from).ino) return to
    if (there.isFile() && there.size === lstatSync(from).size && (await hashFile(to, there.size)) === content) return to
  }
}

/** A hard link, so that nothing is overwritten and nothing is ever half there; a synced copy across devices. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!['EXDEV', 'EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EACCES'].includes(code)) throw error
    copyDurably(from, to)
  }
}

function copyDurably(from: string, to: string): void {
  // COPYFILE_EXCL claims the name at once; half a copy that a crash leaves has another content, so the next attempt takes the next name.
  copyFileSync(from, to, constants.COPYFILE_EXCL)
  const descriptor = openSync(to, 'r+')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** The report: for machines as JSON, for people as text. */
function writeReport(
  file: string,
  table: string,
  { input, error, accounting }: RefusedInput,
  context: FilesContext,
): void {
  const report = {
    table,
    file: input.path,
    bytes: input.bytes,
    sha256: input.id,
    refusedAt: context.clock.now().toISOString(),
    error,
    ...(accounting === undefined ? {} : { accounting }),
  }
  const text = [
    `The file "${printable(input.path)}" was refused for the table ${table} at ${report.refusedAt}.`,
    '',
    `${error.code} ${error.name}`,
    error.message,
    ...(error.hint === undefined ? [] : ['', `What to do: ${error.hint}`]),
    '',
    'Nothing of it was published: the table is as it was before.',
    '',
  ].join('\n')
  writeDurably(`${file}.report.json`, `${JSON.stringify(report, undefined, 2)}\n`)
  writeDurably(`${file}.report.txt`, text)
}

function writeDurably(file: string, text: string): void {
  const part = join(dirname(file), `.${basename(file).slice(-200)}.part`)
  writeFileSync(part, text, { flush: true })
  renameSync(part, file)
}
