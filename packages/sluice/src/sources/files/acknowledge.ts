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
import type { FilesSource } from '../../definition/types.ts'
import type { DiscoveredInput, RefusedInput } from '../source.ts'
import { duplicateIdentity, type FilesContext, hashFile } from './discover.ts'
import { describe } from './pattern.ts'
import { printable } from './printable.ts'

/** Moves what was taken or known to the archive, and what was refused to the error folder. */
export async function acknowledgeFiles(
  table: string,
  source: FilesSource,
  context: FilesContext,
  taken: readonly DiscoveredInput[],
  refused: readonly RefusedInput[],
): Promise<void> {
  if (source.archive !== false) {
    for (const input of taken) await moveInput(input, source.archive, context, 'sources.archive')
  }
  for (const one of refused) {
    await moveInput(one.input, source.error, context, 'sources.refuse', (to) => writeReport(to, table, one, context))
  }
}

/**
 * Moves a file, if it is still the one that was discovered; a file that came in its place stays for the next discovery.
 *
 * @param beforeLeaving runs while the file has both names: a crash in between finds it again
 */
async function moveInput(
  input: DiscoveredInput,
  folder: string,
  context: FilesContext,
  point: string,
  beforeLeaving?: (to: string) => void,
): Promise<void> {
  const file = describe(context.root, input.path)
  if (file === undefined || file.bytes !== input.bytes) return
  const content = await hashFile(file.absolute, file.bytes)
  if (content !== input.id && duplicateIdentity(content, input.path) !== input.id) return
  const target = safeFolder(context.root, folder)
  mkdirSync(target, { recursive: true })
  crashPoint(`${point}.before_move`)
  const to = await claimName(file.absolute, target, basename(input.path), content)
  crashPoint(`${point}.after_link`)
  beforeLeaving?.(to)
  syncFolder(target)
  unlinkSync(file.absolute)
  syncFolder(dirname(file.absolute))
  crashPoint(`${point}.after_move`)
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
