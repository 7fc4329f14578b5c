/** Moves delivered files by hard link: never over another one, and never half there. */
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  copyFileSync,
  createReadStream,
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
import type { Move } from '../inbox.ts'
import { fileAt } from './list.ts'

/** The crash points of a move; names are permanent. */
const points = { archive: 'sources.archive', error: 'sources.refuse' } as const

/** Gives all files their new names, makes those durable together, then takes the old ones away. */
export async function settleFiles(root: string, moves: readonly Move[]): Promise<void> {
  const named: { readonly file: string; readonly point: string }[] = []
  const targets = new Set<string>()
  // A link makes a file another one for the disk: one that was delivered under two names is known by what it became.
  const linked = new Map<string, string>()
  for (const { delivery, sha256, to, folder, reports = [] } of moves) {
    const found = fileAt(root, delivery.path)?.identity
    if (found === undefined || (found !== delivery.identity && found !== linked.get(delivery.identity))) continue
    const file = resolve(root, delivery.path)
    const target = safePath(root, folder)
    if (!targets.has(target)) mkdirSync(target, { recursive: true })
    targets.add(target)
    crashPoint(`${points[to]}.before_move`)
    const place = await claimName(file, target, basename(delivery.path), sha256)
    linked.set(delivery.identity, fileAt(root, delivery.path)?.identity ?? '')
    crashPoint(`${points[to]}.after_link`)
    for (const { ending, text } of reports) writeWhole(`${place}${ending}`, text)
    named.push({ file, point: points[to] })
  }
  for (const target of targets) syncFolder(target)
  for (const { file, point } of named) {
    unlinkSync(file)
    crashPoint(`${point}.after_move`)
  }
  for (const folder of new Set(named.map(({ file }) => dirname(file)))) syncFolder(folder)
}

/** Writes a file whole and durably, in place of one of that name. */
export function putFile(root: string, path: string, bytes: Uint8Array): void {
  const file = safePath(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeWhole(file, bytes)
  syncFolder(dirname(file))
}

function safePath(root: string, path: string): string {
  const target = resolve(root, path)
  if (target !== root && !target.startsWith(root + sep)) {
    throw sluiceError('Source.Path', { path, why: 'it must stay below the project' })
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
    const [there, here] = [lstatSync(to), lstatSync(from)]
    if (there.isFile() && there.ino === here.ino) return to
    if (there.isFile() && there.size === here.size && (await digestOf(to)) === content) return to
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** A hard link, so that nothing is overwritten and nothing is ever half there; a synced copy across devices. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!['EXDEV', 'EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EACCES'].includes(code)) throw error
    // COPYFILE_EXCL claims the name at once; half a copy that a crash leaves has another content, so the next attempt takes the next name.
    copyFileSync(from, to, constants.COPYFILE_EXCL)
    sync(to, 'r+')
  }
}

const syncFolder = (folder: string): void => sync(folder, 'r')

function sync(path: string, flags: 'r' | 'r+'): void {
  const descriptor = openSync(path, flags)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function writeWhole(file: string, content: string | Uint8Array): void {
  // A name that no pattern lists.
  const part = join(dirname(file), `.${basename(file).slice(-200)}.part`)
  writeFileSync(part, content, { flush: true })
  renameSync(part, file)
}
