/**
 * The source contract: discover what is there, take it into a candidate version, acknowledge it once it is committed.
 *
 * `discover` and `take` change nothing that anybody sees: scratch folders, and what is set aside for a commit to come. `acknowledge` is called after
 * the commit and may be repeated.
 */
import type { Session } from '../engines/engine.ts'
import type { NewFile, SetAsideFile } from '../lake/lake.ts'
import type { CheckResult, CommitRecord, Field, InputReference, QuarantineFile, RowAccounting } from '../lake/record.ts'

/** One thing that a source could take: for files, one file. */
export interface DiscoveredInput {
  /** Identity: for files the sha256 of the bytes as delivered. */
  readonly id: string
  /** Relative to the project, as delivered. */
  readonly path: string
  readonly bytes: number
  /** What the inbox said that it is when its bytes were hashed: while it says so, they need not be hashed again. */
  readonly identity?: string
  readonly fileDate?: string
  /** What is to be done with it and why. */
  readonly decision:
    | 'take'
    /** Committed before under this or another name: acknowledge it again, read nothing. */
    | 'known'
    /** Not complete yet: leave it. */
    | 'waiting'
    /** No input, though it looks like one: nothing is done with it but say so. */
    | 'passed'
    /** Refused as a whole: to the error folder, with a report. */
    | 'refuse'
  readonly reason?: string
  /** Of content that is back under a name: the identity of what it comes after, which is a part of its own. */
  readonly after?: string
  /** The delivered files whose rows are to leave the table when this one comes in. */
  readonly replaces?: readonly string[]
  /** The name of the registry's error, for refusals. */
  readonly error?: string
}

/** What a source made of its inputs: not yet durable, not yet visible. */
export interface Candidate {
  readonly fields: readonly Omit<Field, 'id'>[]
  /** Local files to be adopted by the lake, and those that it holds already. */
  readonly files: readonly (NewFile | SetAsideFile)[]
  /** Paths of the current version's files that the new one keeps; only for a replacement, whose `files` are the others. */
  readonly kept?: readonly string[]
  readonly quarantine: readonly (Pick<QuarantineFile, 'rows' | 'reasons'> & { readonly localFile: string })[]
  readonly inputs: readonly InputReference[]
  readonly accounting: RowAccounting
  readonly checks: readonly CheckResult[]
  readonly warnings: readonly string[]
  /** How far the source has been read; moves with the commit. */
  readonly watermark?: string
}

/** A file that was refused as a whole while it was taken. */
export interface RefusedInput {
  readonly input: DiscoveredInput
  readonly error: { readonly name: string; readonly code: string; readonly message: string; readonly hint?: string }
  readonly accounting?: RowAccounting
}

/** How far a source was behind its server when a run began to read. */
export interface SourceLag {
  readonly connection: string
  readonly slot: string
  /** Of the server's log, between what was committed here and its end. */
  readonly bytes: number
  /** Since the oldest change that is not committed here; 0 where there is none; absent where the reading failed before that was known. */
  readonly seconds?: number
  /** Bytes of its log that the server keeps for the slot: what its disk has to bear. */
  readonly keptBytes: number
  readonly level: 'ok' | 'warn' | 'alert'
  /** Beyond a limit: what is told of it. */
  readonly error?: RefusedInput['error']
}

/** Called with counts as work goes on. */
export type Progress = (event: { readonly rows: number; readonly bytes: number; readonly input?: string }) => void

/** What `take` is given. */
export interface TakeContext {
  readonly session: Session
  /** An empty local folder on the lake's device. */
  readonly scratch: string
  readonly progress: Progress
  /** Called once the server is reached, before anything is read: what fails then is still known to be late. */
  readonly measured?: (lag: SourceLag) => Promise<void>
  /** Says something at once, as a warning of the task: what the attempt waits for, say. */
  readonly warn?: (message: string) => void
  readonly signal: AbortSignal
  /** The run that takes, and when it started: what is frozen once for all attempts belongs to it. */
  readonly run: {
    readonly id: string
    readonly startedAt: Date
    /** The tables that it takes from sources. @default this one */
    readonly tables?: ReadonlySet<string>
  }
  /** Counts from 1. */
  readonly attempt: number
  /** The table's current version. */
  readonly current: CommitRecord | undefined
}

/** What a source answers for itself, as data: nobody asks of which kind it is. */
export interface SourceTraits {
  /** Whether a version adds to the one before, or replaces it but for what the candidate keeps. */
  readonly operation: 'append' | 'replace'
  /**
   * What makes a version the same as another: the inputs that it was made of; the run that asked, since the next asks again, and may find the same
   * rows; or the version before, which says how far the source was read.
   */
  readonly identity: 'inputs' | 'run' | 'version before'
  /** What becomes of refused inputs: they are put away, and the task has done its work; or they wait for somebody, and nothing has happened. */
  readonly refused: 'put away' | 'waiting'
  /** A refused input, as it is reported. */
  readonly tell: (input: DiscoveredInput) => {
    readonly what: 'file' | 'table'
    readonly input: string
    readonly report?: string
  }
  /** After how long the same lag is reported again. @default a source without a lag */
  readonly lagRepeatSeconds?: number
}

/** An opened source of one table. */
export interface SourceAdapter {
  readonly traits: SourceTraits
  /** `known` maps the identity of every committed input to the name it came under. */
  discover(known: ReadonlyMap<string, string>): Promise<readonly DiscoveredInput[]>
  take(
    inputs: readonly DiscoveredInput[],
    context: TakeContext,
  ): Promise<{
    readonly candidate: Candidate | undefined
    readonly refused: readonly RefusedInput[]
    /** Once the candidate is committed and settled, there is another one to take. */
    readonly more?: boolean
  }>
  /** After the commit (or after it was found that there is nothing to commit, or that the task failed): tells the source what became of it. Optional. */
  settle?(outcome: Settlement): Promise<void>
  /** After the commit: archive what was taken or known, move what was refused to the error folder with its report. */
  acknowledge(taken: readonly DiscoveredInput[], refused: readonly RefusedInput[]): Promise<void>
}

/** How a take ended, for a source that keeps a log of its own. */
export type Settlement =
  | { readonly status: 'committed' | 'unchanged'; readonly version: number }
  | {
      readonly status: 'failed'
      readonly error: { readonly name: string; readonly code: string; readonly message: string }
    }
