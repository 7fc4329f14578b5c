/** The AWS SDK, loaded where a path begins with `s3://`, and a bucket of it: each request is tried again by the class of its failure. */
import { createRequire } from 'node:module'
import type { S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import { type Clock, newId } from '../../base/clock.ts'
import { classifyError, failureOf } from './classify-error.ts'

/** The SDK's commands and client. */
export type S3Sdk = typeof import('@aws-sdk/client-s3')

/** Where S3 is, and how it is spoken to. */
export interface S3Options {
  /** @default the SDK's own: AWS_REGION, the profile */
  readonly region?: string
  /** Of a store that is not Amazon's. */
  readonly endpoint?: string
  /** Whether the bucket is in the path, and not in the name of the host. @default where there is an endpoint */
  readonly pathStyle?: boolean
}

/** A bucket, as storage and the inbox use it. */
export interface S3Bucket {
  readonly name: string
  readonly sdk: S3Sdk
  readonly clock: Clock
  /** One request, as it comes: it may have been done where it fails. The errors are the SDK's. */
  once<T>(request: (client: S3Client) => Promise<T>): Promise<T>
  /**
   * A request that changes nothing by being repeated, tried until it is answered.
   *
   * @throws the registry's errors; undefined instead where the object (or the upload) does not exist
   */
  ask<T>(key: string, request: (client: S3Client) => Promise<T>): Promise<T | undefined>
  /** Waits before another try: longer each time, and longest where S3 throttles. */
  pause(attempt: number): Promise<void>
  close(): void
}

/** How often a request is tried: about twenty seconds in all. */
export const tries = 8

/**
 * Opens a bucket; no request is made.
 *
 * @example const bucket = openBucket('shop', { region: 'eu-west-1' }, systemClock)
 */
export function openBucket(name: string, { region, endpoint, pathStyle }: S3Options, clock: Clock): S3Bucket {
  const sdk = loadSdk()
  const client = new sdk.S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    forcePathStyle: pathStyle ?? endpoint !== undefined,
    // Each failure is judged here, where it is known whether the request may be repeated.
    maxAttempts: 1,
    // Digests are given by hand, as every store takes them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 10_000,
      socketTimeout: 60_000,
      httpsAgent: { maxSockets: 256 },
      httpAgent: { maxSockets: 256 },
    },
  })
  const bucket: S3Bucket = {
    name,
    sdk,
    clock,
    once: (request) => request(client),
    async ask(key, request) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await request(client)
        } catch (error) {
          const failure = failureOf(error)
          if (failure === 'missing') return undefined
          if (!isPassing(failure) || attempt === tries) throw classifyError(await said(bucket, key, error), bucket, key)
          await bucket.pause(attempt)
        }
      }
    },
    // Not all at once again: the last digits of a new id differ from process to process.
    pause: (attempt) => clock.sleep(50 * 2 ** attempt * (0.5 + Number.parseInt(newId(clock).slice(-4), 16) / 0x20000)),
    close: () => client.destroy(),
  }
  return bucket
}

/** What another try may change: a clock's difference is known to the SDK by then. */
function isPassing(failure: ReturnType<typeof failureOf>): boolean {
  return ['unclear', 'throttled', 'conflict', 'skew'].includes(failure)
}

/** An answer to HEAD has no words: the same question by GET has. */
async function said(bucket: S3Bucket, key: string, error: unknown): Promise<unknown> {
  const { name, $metadata: { httpStatusCode = 0 } = {} } = error as Partial<S3ServiceException>
  const isMute =
    [301, 400, 403].includes(httpStatusCode) &&
    /^(\d+|Unknown|UnknownError|Forbidden|BadRequest|Error|MovedPermanently)$/.test(name ?? '')
  if (!isMute) return error
  const { GetObjectCommand } = bucket.sdk
  try {
    const { Body } = await bucket.once((client) =>
      client.send(new GetObjectCommand({ Bucket: bucket.name, Key: key, Range: 'bytes=0-0' })),
    )
    await Body?.transformToByteArray()
    return error
  } catch (spoken) {
    return spoken
  }
}

/** Required, not imported: its modules are one file each that way, which halves the time. */
function loadSdk(): S3Sdk {
  // It warns users of the Node version that this release of it runs on.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  return createRequire(import.meta.url)('@aws-sdk/client-s3') as S3Sdk
}
