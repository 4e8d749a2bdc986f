// Turns records of a stream, a line each, into what the Kinesis Client Library makes of them within one shard; and
// records into aggregates by its message classes.
// Never opens an aggregate by itself: AggregatorUtil does.
// Rules: amazon-kinesis-client 3.5.1, software.amazon.kinesis.retrieval; aggregation-format.md.

import com.google.protobuf.ByteString;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.kpl.Messages;

public final class Aggregates {
    /** In: first hash, last hash, partition key, data as base64. Out: of each record key, hash key or '-', data. */
    private static void read(BufferedReader in) throws Exception {
        AggregatorUtil util = new AggregatorUtil();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t", -1);
            KinesisClientRecord record = KinesisClientRecord.builder()
                    .partitionKey(parts[2])
                    .data(ByteBuffer.wrap(Base64.getDecoder().decode(parts[3])))
                    .sequenceNumber("1")
                    .approximateArrivalTimestamp(Instant.EPOCH)
                    .build();
            List<KinesisClientRecord> found = util.deaggregate(new ArrayList<>(List.of(record)), parts[0], parts[1]);
            StringBuilder out = new StringBuilder();
            for (KinesisClientRecord each : found) {
                byte[] data = new byte[each.data().remaining()];
                each.data().get(data);
                String hash = each.explicitHashKey() == null ? "-" : each.explicitHashKey();
                out.append(out.length() > 0 ? "\t" : "").append(each.partitionKey()).append('\t').append(hash)
                        .append('\t').append(Base64.getEncoder().encodeToString(data));
            }
            System.out.println(out);
        }
    }

    private static long indexOf(List<String> table, String text) {
        if (!table.contains(text)) {
            table.add(text);
        }
        return table.indexOf(text);
    }

    /** In: an aggregate a line, of each record key, hash key or '-', data as base64. Out: the aggregate as base64. */
    private static void write(BufferedReader in) throws Exception {
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t", -1);
            List<String> keys = new ArrayList<>();
            List<String> hashes = new ArrayList<>();
            Messages.AggregatedRecord.Builder packed = Messages.AggregatedRecord.newBuilder();
            for (int at = 0; at < parts.length; at += 3) {
                Messages.Record.Builder record = Messages.Record.newBuilder()
                        .setPartitionKeyIndex(indexOf(keys, parts[at]))
                        .setData(ByteString.copyFrom(Base64.getDecoder().decode(parts[at + 2])));
                if (!parts[at + 1].equals("-")) {
                    record.setExplicitHashKeyIndex(indexOf(hashes, parts[at + 1]));
                }
                packed.addRecords(record.build());
            }
            byte[] message = packed.addAllPartitionKeyTable(keys).addAllExplicitHashKeyTable(hashes).build().toByteArray();
            byte[] digest = MessageDigest.getInstance("MD5").digest(message);
            byte[] magic = {(byte) 0xf3, (byte) 0x89, (byte) 0x9a, (byte) 0xc2};
            ByteBuffer whole = ByteBuffer.allocate(magic.length + message.length + digest.length);
            whole.put(magic).put(message).put(digest);
            System.out.println(Base64.getEncoder().encodeToString(whole.array()));
        }
    }

    public static void main(String[] words) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        if (words[0].equals("write")) {
            write(in);
        } else {
            read(in);
        }
    }
}
