/** The double answers as S3's documentation says: what storage and the inbox rely on, asked with the SDK itself. */
import { createHash } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, expect, test } from 'vitest'
import { startS3Server } from './server.ts'

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
const double = await startS3Server({
  buckets: { plain: 'off', versioned: 'on' },
  sizes: { smallestPart: 4, largestCopy: 10 },
})
const s3 = new S3Client({
  endpoint: double.endpoint,
  region: 'us-east-1',
  forcePathStyle: true,
  maxAttempts: 1,
  credentials: { accessKeyId: 'DOUBLE', secretAccessKey: 'secret' },
})
afterAll(() => double[Symbol.asyncDispose]())

const put = (Key: string, Body: string, more: object = {}, Bucket = 'plain') =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
/** What it was refused by. */
const refusal = (request: Promise<unknown>): Promise<unknown> =>
  request.then(
    () => 'done',
    (error: S3ServiceException) => [error.name, error.$metadata.httpStatusCode],
  )

test('preconditions of writes are exact: 412 where something is, 404 for the tag of nothing, 501 for another condition', async () => {
  expect(await refusal(put('c', '1', { IfMatch: '"x"' }))).toEqual(['NoSuchKey', 404])
  const { ETag } = await put('c', '1', { IfNoneMatch: '*' })
  expect(await refusal(put('c', '2', { IfNoneMatch: '*' }))).toEqual(['PreconditionFailed', 412])
  expect(await refusal(put('c', '2', { IfNoneMatch: ETag }))).toEqual(['NotImplemented', 501])
  await put('c', '2', { IfMatch: ETag })
  expect(await refusal(put('c', '3', { IfMatch: ETag }))).toEqual(['PreconditionFailed', 412])
  const stale = new DeleteObjectCommand({ Bucket: 'plain', Key: 'c', IfMatch: ETag! })
  expect(await refusal(s3.send(stale))).toEqual(['PreconditionFailed', 412])
  const source = { Bucket: 'plain', CopySource: 'plain/c' }
  expect(await refusal(s3.send(new CopyObjectCommand({ ...source, Key: 'c', IfNoneMatch: '*' })))).toEqual([
    'PreconditionFailed',
    412,
  ])
  await s3.send(new CopyObjectCommand({ ...source, Key: 'e', IfNoneMatch: '*' }))
  expect((await s3.send(new HeadObjectCommand({ Bucket: 'plain', Key: 'e' }))).ContentLength).toBe(1)
  const wrong = new CopyObjectCommand({ ...source, Key: 'd', CopySourceIfMatch: '"x"' })
  expect(await refusal(s3.send(wrong))).toEqual(['PreconditionFailed', 412])
})

test('of fifty that create at once, one does', async () => {
  const racers = Array.from({ length: 50 }, (_, i) => refusal(put('race', String(i), { IfNoneMatch: '*' })))
  expect((await Promise.all(racers)).filter((one) => one === 'done')).toHaveLength(1)
})

test('versions: a marker hides, what is behind it can be read and created over, a version goes by its id', async () => {
  const Bucket = 'versioned'
  const first = (await put('v', '1', {}, Bucket)).VersionId!
  const second = (await put('v', '2', {}, Bucket)).VersionId!
  expect((await s3.send(new DeleteObjectCommand({ Bucket, Key: 'v' }))).DeleteMarker).toBe(true)
  expect(await refusal(s3.send(new GetObjectCommand({ Bucket, Key: 'v' })))).toEqual(['NoSuchKey', 404])
  expect(await refusal(put('v', '3', { IfMatch: '"x"' }, Bucket))).toEqual(['NoSuchKey', 404])
  const old = await s3.send(new GetObjectCommand({ Bucket, Key: 'v', VersionId: first }))
  expect(await old.Body!.transformToString()).toBe('1')
  const third = (await put('v', '3', { IfNoneMatch: '*' }, Bucket)).VersionId!
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'v', VersionId: second }))
  const pages = []
  let markers = {}
  for (;;) {
    const page = await s3.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 1, ...markers }))
    pages.push(
      [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ VersionId, IsLatest }) => [VersionId, IsLatest]),
    )
    if (page.IsTruncated !== true) break
    markers = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
  }
  expect(pages.flat()).toEqual([
    [third, true],
    [expect.any(String), false],
    [first, false],
  ])
  expect((await put('n', '1')).VersionId).toBeUndefined()
})

test('parts: ascending, five megabytes but the last, a tag with their number; a complete upload is gone', async () => {
  const object = { Bucket: 'plain', Key: 'parts' }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...object, Metadata: { a: 'b' } }))
  const part = (PartNumber: number, Body: string) =>
    s3.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body }))
  const [one, two] = [(await part(1, 'abcd')).ETag!, (await part(2, 'e')).ETag!]
  const complete = (Parts: { ETag: string; PartNumber: number }[]) =>
    s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts }, IfNoneMatch: '*' }))
  const parts = [
    { ETag: one, PartNumber: 1 },
    { ETag: two, PartNumber: 2 },
  ]
  expect(await refusal(complete([...parts].reverse()))).toEqual(['InvalidPartOrder', 400])
  expect(await refusal(complete([{ ETag: two, PartNumber: 1 }]))).toEqual(['InvalidPart', 400])
  const digest = createHash('md5')
  for (const text of ['abcd', 'e']) digest.update(createHash('md5').update(text).digest())
  expect((await complete(parts)).ETag).toBe(`"${digest.digest('hex')}-2"`)
  expect(await refusal(complete(parts))).toEqual(['NoSuchUpload', 404])
  const head = await s3.send(new HeadObjectCommand(object))
  expect([head.ContentLength, head.Metadata]).toEqual([5, { a: 'b' }])
})

test('a copy over the limit is refused whole and taken in parts', async () => {
  await put('big', 'twelve bytes')
  const object = { Bucket: 'plain', Key: 'copy' }
  expect(await refusal(s3.send(new CopyObjectCommand({ ...object, CopySource: 'plain/big' })))).toEqual([
    'InvalidRequest',
    400,
  ])
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(object))
  const Parts = []
  for (const [PartNumber, range] of [
    [1, '0-7'],
    [2, '8-11'],
  ] as const) {
    const from = { CopySource: 'plain/big', CopySourceRange: `bytes=${range}` }
    const { CopyPartResult } = await s3.send(new UploadPartCopyCommand({ ...object, UploadId, PartNumber, ...from }))
    Parts.push({ PartNumber, ETag: CopyPartResult!.ETag })
  }
  await s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts } }))
  const got = await s3.send(new GetObjectCommand({ ...object, Range: 'bytes=7-' }))
  expect([await got.Body!.transformToString(), got.ContentRange]).toEqual(['bytes', 'bytes 7-11/12'])
})

test('listings: pages, folders, and names that XML cannot hold', async () => {
  for (const key of ['l/a', 'l/b/1', 'l/b/2', 'l/c d+\u0001', 'l/\u00e9']) await put(key, 'x')
  const names: (string | undefined)[] = []
  let token: string | undefined
  do {
    const page = await s3.send(
      new ListObjectsV2Command({
        Bucket: 'plain',
        Prefix: 'l/',
        Delimiter: '/',
        MaxKeys: 2,
        EncodingType: 'url',
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
    )
    names.push(
      ...(page.Contents ?? []).map(({ Key }) => Key),
      ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
    )
    token = page.NextContinuationToken
  } while (token !== undefined)
  expect(names).toEqual(['l/a', 'l/b/', 'l/c+d%2B%01', 'l/%C3%A9'])
})

test('a digest, a region, a key and a token that are wrong are refused', async () => {
  expect(await refusal(put('x', 'x', { ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' }))).toEqual(['BadDigest', 400])
  expect(await refusal(put('x', 'x', { ChecksumSHA256: Buffer.alloc(32).toString('base64') }))).toEqual([
    'BadDigest',
    400,
  ])
  expect(await refusal(put('x', 'x', {}, 'nowhere'))).toEqual(['NoSuchBucket', 404])
  expect((await fetch(`${double.endpoint}/plain/x`)).status).toBe(403)
  double.fault = () => 'throttled'
  expect(await refusal(put('x', 'x'))).toEqual(['SlowDown', 503])
  double.fault = undefined
})
