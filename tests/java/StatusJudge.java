import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateRevokedException;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * What the JDK's PKIXRevocationChecker learns of certificates over OCSP, with nonces unless it is told otherwise
 * ({@code -Djdk.security.certpath.ocspNonce=false}), and without any list.
 *
 * <p>Each line of input is a question: {@code FOLDER}, or {@code FOLDER RESPONDER} with a responder's URL. The folder
 * holds the files {@code anchor} and {@code path}, the path from the target up, in DER or PEM. Without a URL the target
 * alone is asked about, at the URL that stands in it, and the responder has to be delegated by the target's issuer. With
 * one every certificate of the path is asked about there, and the responder's certificate, in the file
 * {@code responder}, is trusted directly. Each line of output is an answer: {@code good}, {@code revoked REASON SECONDS
 * INVALIDITY}, or {@code refused REASON: words}.
 */
public final class StatusJudge {
    private static final CertificateFactory X509;

    static {
        try {
            X509 = CertificateFactory.getInstance("X.509");
        } catch (GeneralSecurityException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    private StatusJudge() {}

    public static void main(String[] arguments) throws Exception {
        if (System.getProperty("jdk.security.certpath.ocspNonce") == null) {
            System.setProperty("jdk.security.certpath.ocspNonce", "true");
        }
        var input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            System.out.println(answer(Path.of(words[0]), words.length > 1 ? words[1] : null).replaceAll("\\s+", " "));
        }
    }

    private static String answer(Path folder, String responder) throws Exception {
        var parameters = new PKIXParameters(Set.of(new TrustAnchor(certificates(folder.resolve("anchor")).get(0), null)));
        parameters.setPolicyQualifiersRejected(false);
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        var checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        if (responder == null) {
            checker.setOptions(
                    EnumSet.of(PKIXRevocationChecker.Option.ONLY_END_ENTITY, PKIXRevocationChecker.Option.NO_FALLBACK));
        } else {
            checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK));
            checker.setOcspResponder(URI.create(responder));
            checker.setOcspResponderCert(certificates(folder.resolve("responder")).get(0));
        }
        parameters.addCertPathChecker(checker);
        CertPath path = X509.generateCertPath(certificates(folder.resolve("path")));
        try {
            validator.validate(path, parameters);
            return "good";
        } catch (CertPathValidatorException refused) {
            if (refused.getCause() instanceof CertificateRevokedException revoked) {
                var since = revoked.getInvalidityDate();
                return "revoked " + revoked.getRevocationReason() + " " + revoked.getRevocationDate().getTime() / 1000
                        + " " + (since == null ? "-" : since.getTime() / 1000);
            }
            return "refused " + refused.getReason() + ": " + refused.getMessage();
        }
    }

    private static List<X509Certificate> certificates(Path file) throws Exception {
        try (var stream = Files.newInputStream(file)) {
            return X509.generateCertificates(stream).stream().map(X509Certificate.class::cast).toList();
        }
    }
}
