/** What is there, what it is by its content, and what is to be done with it. */
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { sha256 } from '../../base/json.ts'
import type { FilesSource } from '../../definition/types.ts'
import type { Delivery, Inbox, PassedOver } from '../../inbox/inbox.ts'
import { matchesPattern } from '../../inbox/pattern.ts'
import type { DiscoveredInput } from '../source.ts'
import { fileDateOf } from './file-date.ts'

const { basename, dirname } = posix

/** Where digests of unchanged files are kept between runs; losing it costs time only. */
export interface HashCache {
  get(key: string): string | undefined
  set(key: string, sha256: string): void
}

const passedBecause: { readonly [why in PassedOver['why']]: string } = {
  hidden: 'names that begin with . or _ are left unless the pattern names them',
  link: 'links are not followed',
  folder: 'it is a folder',
  special: 'it is no plain file',
  name: 'its name is not UTF-8',
  case: 'the pattern writes it in other upper and lower case',
}

/** What a source of files is opened with. */
export interface FilesContext {
  readonly inbox: Inbox
  readonly clock: Clock
  /** Row counts of earlier files, for the row count guard. */
  readonly previousRows?: readonly number[]
  /** The files that the current version was made from: of a table that is its newest delivery, the delivery it is. */
  readonly current?: readonly { readonly path: string; readonly id: string }[]
  /** Where a file takes the place of the earlier one of its name: what came under each name, oldest first. */
  readonly contents?: ReadonlyMap<string, readonly string[]>
  readonly hashCache?: HashCache
}

/** Below this a file is read at once. */
export const smallFileBytes = 1024 * 1024

/**
 * Finds the files of a source and decides about each, in the order in which they count: by the date in the name, then by path.
 *
 * @param known the path of every committed identity
 */
export async function discoverFiles(
  source: FilesSource,
  context: FilesContext,
  known: ReadonlyMap<string, string>,
): Promise<readonly DiscoveredInput[]> {
  const decided: DiscoveredInput[] = []
  const passed: DiscoveredInput[] = []
  const pass = ({ path, why }: PassedOver): void => {
    if (isInput(path, source)) passed.push({ id: '', path, bytes: 0, decision: 'passed', reason: passedBecause[why] })
  }
  for await (const file of context.inbox.list(source.path, pass))
    if (isInput(file.path, source)) decided.push(await discoverFile(file, source, context))
  decided.sort((a, b) => compare(a.fileDate ?? '', b.fileDate ?? '') || compare(a.path, b.path))
  return [...decide(decided, source, known, context), ...passed]
}

/**
 * Whether a source discovers a file of this path.
 *
 * @example takesPath({ ...source, path: 'inbox/*.csv' }, 'inbox/a.csv') // true
 */
export function takesPath(source: FilesSource, path: string): boolean {
  return matchesPattern(path, source.path) && isInput(path, source)
}

/** What matches the pattern is no input where it is put away already, or only says that others are complete. */
function isInput(path: string, { archive, error, ready }: FilesSource): boolean {
  const isAway = [archive, error].some((folder) => folder !== false && path.startsWith(`${folder}/`))
  return !isAway && !isMarker(path, ready?.marker)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** One file by itself: complete or not, its identity, its date. */
async function discoverFile(file: Delivery, source: FilesSource, context: FilesContext): Promise<DiscoveredInput> {
  const { path, bytes, identity } = file
  const waiting = await waitingFor(file, source, context)
  if (waiting !== undefined) return { id: '', path, bytes, decision: 'waiting', reason: waiting }
  const id = await identityOf(file, context)
  if (id === undefined || (await context.inbox.stat(path))?.identity !== file.identity) {
    return { id: '', path, bytes, decision: 'waiting', reason: 'it changed while it was looked at' }
  }
  if (source.fileDate === undefined) return { id, path, bytes, identity, decision: 'take' }
  const fileDate = fileDateOf(basename(path), source.fileDate)
  return fileDate === undefined
    ? { id, path, bytes, identity, decision: 'refuse', reason: source.fileDate, error: 'Source.FileDate' }
    : { id, path, bytes, identity, fileDate, decision: 'take' }
}

/** Decisions that need to know of other files: committed ones, and earlier ones of this delivery. */
function decide(
  files: readonly DiscoveredInput[],
  source: FilesSource,
  known: ReadonlyMap<string, string>,
  { current = [], contents = new Map() }: Pick<FilesContext, 'current' | 'contents'>,
): readonly DiscoveredInput[] {
  const knownNames = new Set(known.values())
  const replaces = source.mode === 'replace'
  let newest = replaces ? newestKnown(known, source.fileDate) : undefined
  // What a version was made from comes first; what that superseded follows.
  let latest: { readonly path: string; readonly id: string } | undefined = replaces ? current[0] : undefined
  const held = latest !== undefined && files.some((file) => file.path === latest?.path && isContentOf(file, latest))
  const earlier = new Map<string, string>()
  return files.map((file) => {
    if (file.decision !== 'take') return file
    const decided = decideOne(file, known.get(file.id) ?? earlier.get(file.id))
    // Only what is taken can make a later one known.
    if (decided.decision !== 'take') return decided
    if (!earlier.has(file.id)) earlier.set(file.id, file.path)
    if (replaces) latest = decided
    if (replaces && file.fileDate !== undefined) newest = { ...file, id: decided.id, date: file.fileDate }
    return decided
  })

  function decideOne(file: DiscoveredInput, same: string | undefined): DiscoveredInput {
    const before = replaces ? [] : (contents.get(file.path) ?? [])
    if (before.length > 0) return correction(file, before, { known, contents })
    if (same === file.path) return takenBefore(file, same)
    const isNew = same !== undefined && isNews(file)
    if (same !== undefined && !isNew) return duplicate(file, same)
    if (newest !== undefined && file.fileDate !== undefined && file.fileDate < newest.date) {
      return { ...file, decision: 'refuse', reason: newest.path, error: 'Source.OlderDelivery' }
    }
    if (same !== undefined) return takenAgain(file, same)
    if (knownNames.has(file.path)) {
      if (source.changedContent === 'error') return { ...file, decision: 'refuse', error: 'Source.ChangedContent' }
      return { ...file, reason: 'the name is known, the content is new' }
    }
    return file
  }

  /** In a table that is its newest delivery, content of long ago is news again once another came between. */
  function isNews(file: DiscoveredInput): boolean {
    const { id, path, fileDate } = file
    if (!replaces || source.duplicateContent === 'error' || known.has(duplicateIdentity(id, path))) return false
    if (newest !== undefined && fileDate !== undefined) return fileDate > newest.date && !isContentOf(file, newest)
    return latest !== undefined && !isContentOf(file, latest)
  }

  /**
   * A name and its content are known, and a file of both is here: its archiving was interrupted, or it was delivered once more. While the delivery
   * that the table is waits to be archived itself, it is the former: files leave the inbox in the order in which they count.
   */
  function takenBefore(file: DiscoveredInput, same: string): DiscoveredInput {
    const isChanged = current.some(({ path, id }) => path === file.path && !isContentOf(file, { path, id }))
    const isOlder = newest !== undefined && file.fileDate !== undefined && file.fileDate < newest.date
    const isOther = latest !== undefined && !isContentOf(file, latest) && same !== latest.path
    const isBack = replaces && (isChanged || (source.archive !== false && isOther && !held && !isOlder))
    if (!isBack) return { ...file, decision: 'known', reason: 'taken before' }
    return { ...file, reason: 'the name is known, and its earlier content is back' }
  }

  function duplicate(file: DiscoveredInput, same: string): DiscoveredInput {
    const again = duplicateIdentity(file.id, file.path)
    if (known.get(again) === file.path) return takenBefore({ ...file, id: again }, file.path)
    if (source.duplicateContent === 'skip') return { ...file, decision: 'known', reason: `the same content as ${same}` }
    if (source.duplicateContent === 'error') {
      return { ...file, decision: 'refuse', reason: same, error: 'Source.DuplicateContent' }
    }
    return takenAgain(file, same)
  }
}

/**
 * A file under a name that is known, where it takes the place of what came under it before. Content that was there once and is back has an identity
 * that says after what.
 */
function correction(
  file: DiscoveredInput,
  before: readonly string[],
  {
    known,
    contents,
  }: { readonly known: ReadonlyMap<string, string>; readonly contents: ReadonlyMap<string, readonly string[]> },
): DiscoveredInput {
  const { id, path } = file
  const newest = before.at(-1) as string
  const taken = { ...file, id: newest, ...(before.length < 2 ? {} : { after: before.at(-2) as string }) }
  if (isIdentityOf(taken, id)) return { ...taken, decision: 'known', reason: 'taken before' }
  return {
    ...file,
    ...(known.has(id) ? { id: duplicateIdentity(id, `${path}\n${newest}`), after: newest } : {}),
    reason: 'it takes the place of the earlier file of its name',
    replaces: [path, ...replaysOf(path, [...contents.keys()])],
  }
}

/** The files that delivered refused rows of a file again, see `run/replay.ts`, and those of these. */
function replaysOf(path: string, all: readonly string[]): readonly string[] {
  const mark = `-${sha256(path).slice(0, 8)}`
  const own = all.filter((one) => one !== path && /\.replay-\d+(-[0-9a-f]{8})/.exec(one)?.[1] === mark)
  return own.flatMap((one) => [one, ...replaysOf(one, all)])
}

/** Whether a file has the content of another one, which may have been taken again on purpose. */
function isContentOf({ id, path }: DiscoveredInput, other: { readonly path: string; readonly id: string }): boolean {
  return [id, duplicateIdentity(id, other.path)].includes(other.id) || duplicateIdentity(other.id, path) === id
}

/** Taken again on purpose: its name becomes part of its identity, so that it is taken once. */
function takenAgain(file: DiscoveredInput, same: string): DiscoveredInput {
  const id = duplicateIdentity(file.id, file.path)
  return { ...file, id, reason: `the same content as ${same}, taken again as declared` }
}

/**
 * Whether an input is this content: its identity is the content's own, or that of content that is taken again on purpose.
 *
 * @example isIdentityOf(input, sha256)
 */
export function isIdentityOf({ id, path, after }: DiscoveredInput, contentSha256: string): boolean {
  const again = after === undefined ? [] : [duplicateIdentity(contentSha256, `${path}\n${after}`)]
  return [contentSha256, duplicateIdentity(contentSha256, path), ...again].includes(id)
}

/** The identity of content that is taken again under another name. */
export function duplicateIdentity(contentSha256: string, path: string): string {
  return sha256(`${contentSha256}\n${path}`)
}

function newestKnown(known: ReadonlyMap<string, string>, pattern: string | undefined) {
  let newest: { path: string; date: string; id: string } | undefined
  if (pattern === undefined) return newest
  for (const [id, path] of known) {
    const date = fileDateOf(basename(path), pattern)
    if (date !== undefined && (newest === undefined || date > newest.date)) newest = { path, date, id }
  }
  return newest
}

function isMarker(path: string, marker: string | undefined): boolean {
  if (marker === undefined) return false
  const suffix = marker.replace('<name>', '')
  return suffix.startsWith('.') ? path.endsWith(suffix) : basename(path) === marker
}

/** The marker of a file: `.done` or `<name>.done` stands beside it; any other name is one for its folder. */
function markerPath(path: string, marker: string): string {
  const suffix = marker.replace('<name>', '')
  return suffix.startsWith('.') ? path + suffix : posix.join(dirname(path), marker)
}

async function waitingFor(
  file: Delivery,
  source: FilesSource,
  { clock, inbox }: FilesContext,
): Promise<string | undefined> {
  const { marker, stableSeconds = 0 } = source.ready ?? {}
  if (marker !== undefined && (await inbox.stat(markerPath(file.path, marker))) === undefined)
    return `its marker ${marker} is not there yet`
  const age = (clock.now().getTime() - file.modifiedAt.getTime()) / 1000
  return stableSeconds > 0 && age < stableSeconds
    ? `it changed ${Math.max(0, Math.floor(age))} seconds ago, and must be unchanged for ${stableSeconds}`
    : undefined
}

/** The sha256 of a delivery, undefined where it has changed; known ones, unchanged since, are not read again. */
export async function identityOf(
  delivery: Delivery,
  { inbox, hashCache }: Pick<FilesContext, 'inbox' | 'hashCache'>,
): Promise<string | undefined> {
  const key = `${delivery.path}\n${delivery.identity}`
  const cached = hashCache?.get(key)
  if (cached !== undefined) return cached
  await using opened = await inbox.open(delivery)
  if (opened === undefined) return undefined
  const id = await hashFile(opened.file, delivery.bytes)
  hashCache?.set(key, id)
  return id
}

/** The sha256 of a local file, streamed where it is large. */
export async function hashFile(file: string, bytes: number): Promise<string> {
  if (bytes < smallFileBytes) return sha256(readFileSync(file))
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: smallFileBytes })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
